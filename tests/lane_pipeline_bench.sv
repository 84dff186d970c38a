// Drives 16 lanes of the vector unit with batches of rows from the file +operands=, and writes the
// results, 16 int16 a row, to the file +results=. Everything is little-endian words of 32 bits.

module lane_pipeline_bench;
    // Where the parts of a batch begin: number of rows, instruction, biases, scales, tables. The
    // rows follow: 16 accumulators and 32 bytes of residual each.
    localparam int INSTRUCTION = 1, BIASES = 17, SCALES = 33, UNARY = 49, ADDITION = 113;
    localparam int HEADER_WORDS = 369, ROW_WORDS = 24;

    logic clk = 0, rst = 1;
    always #1 clk = ~clk;

    logic [31:0] header[0:HEADER_WORDS-1];
    logic [31:0] operand[0:ROW_WORDS-1];
    logic [511:0] instruction = 0, parameters, issued, accumulators;
    logic [255:0] issued_residual, residual, result;
    logic row = 0, bias_valid = 0, scale_valid = 0, unary_enable = 0, addition_enable = 0;
    logic [7:0] table_address;
    logic [31:0] unary_data, addition_data;
    logic result_valid;
    integer operands, results;
    string path;

    lanes lanes (
        .clk,
        .rst,
        .fields(instruction),
        .row,
        .accumulators,
        .residual,
        .parameters,
        .bias_valid,
        .scale_valid,
        .unary__enable(unary_enable),
        .unary__address(table_address[5:0]),
        .unary__data(unary_data),
        .addition__enable(addition_enable),
        .addition__address(table_address),
        .addition__data(addition_data),
        .result,
        .result_valid
    );

    // Memories answer one cycle after the issue.
    always @(posedge clk) begin
        accumulators <= issued;
        residual <= issued_residual;
        if (result_valid) $fwrite(results, "%u", result);
    end

    // $fread puts the first byte of a word into the highest bits.
    function automatic logic [31:0] swapped(input logic [31:0] word);
        return {word[7:0], word[15:8], word[23:16], word[31:24]};
    endfunction

    task automatic fill_tables();
        addition_enable = 1;
        for (int entry = 0; entry < 256; ++entry) begin
            table_address = 8'(entry);
            unary_enable = entry < 64;
            unary_data = swapped(header[UNARY+entry%64]);
            addition_data = swapped(header[ADDITION+entry]);
            @(negedge clk);
        end
        addition_enable = 0;
    endtask

    task automatic load_parameters();
        for (int lane = 0; lane < 16; ++lane) begin
            instruction[32*lane+:32] = swapped(header[INSTRUCTION+lane]);
            parameters[32*lane+:32] = swapped(header[BIASES+lane]);
        end
        bias_valid = 1;
        @(negedge clk);
        bias_valid = 0;
        for (int lane = 0; lane < 16; ++lane)
            parameters[32*lane+:32] = swapped(header[SCALES+lane]);
        scale_valid = 1;
        @(negedge clk);
        scale_valid = 0;
    endtask

    task automatic issue_rows();
        row = 1;
        for (int unsigned count = swapped(header[0]); count > 0; --count) begin
            if ($fread(operand, operands) != 4 * ROW_WORDS) $fatal(1, "operands are cut off");
            for (int word = 0; word < 16; ++word) issued[32*word+:32] = swapped(operand[word]);
            for (int word = 0; word < 8; ++word)
                issued_residual[32*word+:32] = swapped(operand[16+word]);
            @(negedge clk);
        end
        row = 0;
        repeat (16) @(negedge clk);
    endtask

    initial begin
        if (!$value$plusargs("operands=%s", path)) $fatal(1, "+operands= is missing");
        operands = $fopen(path, "rb");
        if (!$value$plusargs("results=%s", path)) $fatal(1, "+results= is missing");
        results = $fopen(path, "wb");
        @(negedge clk);
        rst = 0;
        while ($fread(header, operands) == 4 * HEADER_WORDS) begin
            fill_tables();
            load_parameters();
            issue_rows();
        end
        $fclose(results);
        $finish;
    end
endmodule
