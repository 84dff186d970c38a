// Drives 16 lanes of the vector unit with batches of rows from the file +operands=, and writes what
// comes of each row to the file +results=: 16 int16, maximum (32 bits), sum and sum of squares (64
// bits each). Everything is little-endian words of 32 bits.

module lane_pipeline_bench;
    // A batch: number of n tiles, rows of each, whether they come with gaps and whether statistics are
    // kept, instruction, tables.
    localparam int TILES = 0, ROWS = 1, GAPS = 2, REDUCES = 3, INSTRUCTION = 4, UNARY = 20;
    localparam int WIDE = 84, HEADER_WORDS = 340;
    // Each n tile: biases, scales, and its rows, each of them 16 accumulators, 32 bytes of source
    // and of operand, lanes that count, maximum, sum and scale.
    localparam int TILE_WORDS = 32, SOURCE = 16, OPERAND = 24, STATISTICS = 32, ROW_WORDS = 36;
    localparam int PIPELINE = 16;

    logic clk = 0, rst = 1;
    always #1 clk = ~clk;

    logic [31:0] header[0:HEADER_WORDS-1];
    logic [31:0] channels[0:TILE_WORDS-1];
    logic [31:0] words[0:ROW_WORDS-1];
    logic [32*ROW_WORDS-1:0] issued = 0, arrived;
    logic [511:0] instruction = 0, parameters = 0;
    logic row = 0, bias_valid = 0, scale_valid = 0, unary_enable = 0, wide_enable = 0;
    logic [7:0] table_address = 0;
    logic [31:0] unary_data = 0, wide_data = 0;
    logic [255:0] result, result_before;
    logic result_valid, reduced_valid;
    logic [31:0] maximum;
    logic signed [47:0] sum, squares;
    logic [PIPELINE:0] in_flight = 0;
    logic reduces;
    integer operands, results;
    string path;

    lanes lanes (
        .clk,
        .rst,
        .fields(instruction),
        .row,
        .accumulators(arrived[0+:512]),
        .source(arrived[32*SOURCE+:256]),
        .operand(arrived[32*OPERAND+:256]),
        .counts(arrived[32*STATISTICS+:16]),
        .maximum(arrived[32*(STATISTICS+1)+:32]),
        .row_sum(arrived[32*(STATISTICS+2)+:32]),
        .row_scale(arrived[32*(STATISTICS+3)+:32]),
        .parameters,
        .bias_valid,
        .scale_valid,
        .unary__enable(unary_enable),
        .unary__address(table_address[5:0]),
        .unary__data(unary_data),
        .wide__enable(wide_enable),
        .wide__address(table_address),
        .wide__data(wide_data),
        .result,
        .result_valid,
        .reduced_valid,
        .reduced_maximum(maximum),
        .reduced_sum(sum),
        .reduced_squares(squares)
    );

    // Memories answer one cycle after the issue, and only then.
    always @(posedge clk) begin
        arrived <= row ? issued : ~issued;
        result_before <= result;
        in_flight <= {in_flight[PIPELINE-1:0], row};
        if (!rst) begin
            if (result_valid != in_flight[PIPELINE-1]) $fatal(1, "a result at another time");
            if (reduced_valid != (in_flight[PIPELINE] & reduces)) $fatal(1, "a sum at another time");
        end
        if (in_flight[PIPELINE])
            $fwrite(results, "%u%u%u%u", result_before, maximum, 64'(sum), 64'(squares));
    end

    // $fread puts the first byte of a word into the highest bits.
    function automatic logic [31:0] swapped(input logic [31:0] word);
        return {word[7:0], word[15:8], word[23:16], word[31:24]};
    endfunction

    task automatic fill_tables();
        wide_enable = 1;
        for (int entry = 0; entry < 256; ++entry) begin
            table_address = 8'(entry);
            unary_enable = entry < 64;
            unary_data = swapped(header[UNARY+entry%64]);
            wide_data = swapped(header[WIDE+entry]);
            @(negedge clk);
        end
        wide_enable = 0;
    endtask

    // The first row follows at once, the last row of the tile before was three cycles before.
    task automatic load_parameters();
        if ($fread(channels, operands) != 4 * TILE_WORDS) $fatal(1, "operands are cut off");
        for (int lane = 0; lane < 16; ++lane) parameters[32*lane+:32] = swapped(channels[lane]);
        bias_valid = 1;
        @(negedge clk);
        bias_valid = 0;
        for (int lane = 0; lane < 16; ++lane)
            parameters[32*lane+:32] = swapped(channels[16+lane]);
        scale_valid = 1;
        @(negedge clk);
        scale_valid = 0;
        parameters = ~parameters;
    endtask

    task automatic issue_rows();
        for (int unsigned count = swapped(header[ROWS]); count > 0; --count) begin
            if ($fread(words, operands) != 4 * ROW_WORDS) $fatal(1, "operands are cut off");
            for (int word = 0; word < ROW_WORDS; ++word) issued[32*word+:32] = swapped(words[word]);
            row = 1;
            @(negedge clk);
            row = 0;
            if (header[GAPS] != 0) repeat ($urandom_range(3)) @(negedge clk);
        end
        repeat (2) @(negedge clk);
    endtask

    initial begin
        if (!$value$plusargs("operands=%s", path)) $fatal(1, "+operands= is missing");
        operands = $fopen(path, "rb");
        if (!$value$plusargs("results=%s", path)) $fatal(1, "+results= is missing");
        results = $fopen(path, "wb");
        repeat (2) @(negedge clk);
        rst = 0;
        while ($fread(header, operands) == 4 * HEADER_WORDS) begin
            for (int word = 0; word < 16; ++word)
                instruction[32*word+:32] = swapped(header[INSTRUCTION+word]);
            reduces = header[REDUCES] != 0;
            fill_tables();
            for (int unsigned tile = swapped(header[TILES]); tile > 0; --tile) begin
                load_parameters();
                issue_rows();
            end
            repeat (PIPELINE) @(negedge clk);
        end
        $fclose(results);
        $finish;
    end
endmodule
