// The simulation top: clock, accelerator, reference memory, and files for all that Python needs.
//
// Python (or bare.cpp) touches only what is public here: it releases `reset`, talks to the
// AXI4-Lite slave, waits for `interrupt`, raises `dump` and waits for `dumped`. Files are in the
// working directory:
//
//   dram_in.bin, memories_in.bin    contents before the run, words with their last byte first
//   dram_out.bin, memories_out.bin  contents after it, words with their first byte first
//   retire.bin                      a record of six 32-bit words for each retired instruction:
//                                   engine, instruction, start (64 bits), end (64 bits)
module assay_top #(
    parameter integer MEMORY_WORDS = 1 << 22
);
    // AXI_BYTES, CSR_ADDRESS_BITS, INDEX_BITS, CYCLE_BITS, load_memories, dump_memories
    `include "accelerator.svh"

    reg clk  /*verilator public_flat_rd*/ = 1'b0;
    always #1 clk = ~clk;

    reg reset  /*verilator public_flat_rw*/ = 1'b1;
    reg dump  /*verilator public_flat_rw*/ = 1'b0;
    reg dumped  /*verilator public_flat_rd*/ = 1'b0;
    reg loaded  /*verilator public_flat_rd*/ = 1'b0;
    reg [63:0] cycle  /*verilator public_flat_rd*/ = 64'd0;
    wire interrupt  /*verilator public_flat_rd*/;
    wire memory_error  /*verilator public_flat_rd*/;

    reg csr_awvalid  /*verilator public_flat_rw*/ = 1'b0;
    wire csr_awready  /*verilator public_flat_rd*/;
    reg [CSR_ADDRESS_BITS-1:0] csr_awaddr  /*verilator public_flat_rw*/ = 0;
    reg csr_wvalid  /*verilator public_flat_rw*/ = 1'b0;
    wire csr_wready  /*verilator public_flat_rd*/;
    reg [31:0] csr_wdata  /*verilator public_flat_rw*/ = 0;
    reg [3:0] csr_wstrb  /*verilator public_flat_rw*/ = 0;
    wire csr_bvalid  /*verilator public_flat_rd*/;
    reg csr_bready  /*verilator public_flat_rw*/ = 1'b0;
    wire [1:0] csr_bresp  /*verilator public_flat_rd*/;
    reg csr_arvalid  /*verilator public_flat_rw*/ = 1'b0;
    wire csr_arready  /*verilator public_flat_rd*/;
    reg [CSR_ADDRESS_BITS-1:0] csr_araddr  /*verilator public_flat_rw*/ = 0;
    wire csr_rvalid  /*verilator public_flat_rd*/;
    reg csr_rready  /*verilator public_flat_rw*/ = 1'b0;
    wire [31:0] csr_rdata  /*verilator public_flat_rd*/;
    wire [1:0] csr_rresp  /*verilator public_flat_rd*/;

    wire arvalid, arready, arid, awvalid, awready, awid;
    wire [31:0] araddr, awaddr;
    wire [7:0] arlen, awlen;
    wire [2:0] arsize, awsize;
    wire [1:0] arburst, awburst, rresp, bresp;
    wire rvalid, rready, rlast, rid, wvalid, wready, wlast, bvalid, bready, bid;
    wire [8*AXI_BYTES-1:0] rdata, wdata;
    wire [AXI_BYTES-1:0] wstrb;

    wire load_retired, matrix_retired, vector_retired, store_retired;
    wire [INDEX_BITS-1:0] load_instruction, matrix_instruction;
    wire [INDEX_BITS-1:0] vector_instruction, store_instruction;
    wire [CYCLE_BITS-1:0] load_start, matrix_start, vector_start, store_start, retire_cycle;

    accelerator dut (
        .clk(clk),
        .rst(reset),
        .interrupt(interrupt),
        .csr__awvalid(csr_awvalid),
        .csr__awready(csr_awready),
        .csr__awaddr(csr_awaddr),
        .csr__wvalid(csr_wvalid),
        .csr__wready(csr_wready),
        .csr__wdata(csr_wdata),
        .csr__wstrb(csr_wstrb),
        .csr__bvalid(csr_bvalid),
        .csr__bready(csr_bready),
        .csr__bresp(csr_bresp),
        .csr__arvalid(csr_arvalid),
        .csr__arready(csr_arready),
        .csr__araddr(csr_araddr),
        .csr__rvalid(csr_rvalid),
        .csr__rready(csr_rready),
        .csr__rdata(csr_rdata),
        .csr__rresp(csr_rresp),
        .axi__arvalid(arvalid),
        .axi__arready(arready),
        .axi__araddr(araddr),
        .axi__arlen(arlen),
        .axi__arsize(arsize),
        .axi__arburst(arburst),
        .axi__arid(arid),
        .axi__rvalid(rvalid),
        .axi__rready(rready),
        .axi__rdata(rdata),
        .axi__rresp(rresp),
        .axi__rlast(rlast),
        .axi__rid(rid),
        .axi__awvalid(awvalid),
        .axi__awready(awready),
        .axi__awaddr(awaddr),
        .axi__awlen(awlen),
        .axi__awsize(awsize),
        .axi__awburst(awburst),
        .axi__awid(awid),
        .axi__wvalid(wvalid),
        .axi__wready(wready),
        .axi__wdata(wdata),
        .axi__wstrb(wstrb),
        .axi__wlast(wlast),
        .axi__bvalid(bvalid),
        .axi__bready(bready),
        .axi__bresp(bresp),
        .axi__bid(bid),
        .cycle(retire_cycle),
        .retire_load__valid(load_retired),
        .retire_load__instruction(load_instruction),
        .retire_load__start(load_start),
        .retire_matrix__valid(matrix_retired),
        .retire_matrix__instruction(matrix_instruction),
        .retire_matrix__start(matrix_start),
        .retire_vector__valid(vector_retired),
        .retire_vector__instruction(vector_instruction),
        .retire_vector__start(vector_start),
        .retire_store__valid(store_retired),
        .retire_store__instruction(store_instruction),
        .retire_store__start(store_start)
    );

    reference_memory #(
        .DATA_BYTES(AXI_BYTES),
        .MEMORY_WORDS(MEMORY_WORDS)
    ) dram (
        .clk(clk),
        .reset(reset),
        .error(memory_error),
        .arvalid(arvalid),
        .arready(arready),
        .araddr(araddr),
        .arlen(arlen),
        .arsize(arsize),
        .arburst(arburst),
        .arid(arid),
        .rvalid(rvalid),
        .rready(rready),
        .rdata(rdata),
        .rresp(rresp),
        .rlast(rlast),
        .rid(rid),
        .awvalid(awvalid),
        .awready(awready),
        .awaddr(awaddr),
        .awlen(awlen),
        .awsize(awsize),
        .awburst(awburst),
        .awid(awid),
        .wvalid(wvalid),
        .wready(wready),
        .wdata(wdata),
        .wstrb(wstrb),
        .wlast(wlast),
        .bvalid(bvalid),
        .bready(bready),
        .bresp(bresp),
        .bid(bid)
    );

    integer file, index, words_read, unknown_words, retire_file;

    // At a falling edge, behind the zero-initialisation of the memories at time 0.
    initial begin
        @(negedge clk);
        file = $fopen("dram_in.bin", "rb");
        words_read = $fread(dram.memory, file);
        $fclose(file);
        file = $fopen("memories_in.bin", "rb");
        load_memories;
        $fclose(file);
        retire_file = $fopen("retire.bin", "wb");
        loaded = 1'b1;
    end

    // %u writes 0 for X, so a word with an X is told apart here.
    task dump_word_check(input unknown);
        if (unknown === 1'bx) unknown_words = unknown_words + 1;
    endtask

    always @(posedge dump) begin
        unknown_words = 0;
        file = $fopen("dram_out.bin", "wb");
        for (index = 0; {1'b0, index} * AXI_BYTES < dram.limit_bytes; index = index + 1) begin
            dump_word_check(^dram.memory[index]);
            $fwrite(file, "%u", dram.memory[index]);
        end
        $fclose(file);
        file = $fopen("memories_out.bin", "wb");
        dump_memories;
        $fclose(file);
        $fflush(retire_file);
        if (unknown_words != 0) $display("assay_top: %0d words hold an X", unknown_words);
        dumped = 1'b1;
    end

    task log_retire(input [31:0] engine, input [31:0] instruction, input [63:0] start,
                    input [63:0] last);
        $fwrite(retire_file, "%u%u%u%u", engine, instruction, start, last);
    endtask

    always @(posedge clk)
        if (!reset) begin
            cycle <= cycle + 64'd1;
            if (load_retired) log_retire(0, load_instruction, load_start, retire_cycle);
            if (matrix_retired) log_retire(1, matrix_instruction, matrix_start, retire_cycle);
            if (vector_retired) log_retire(2, vector_instruction, vector_start, retire_cycle);
            if (store_retired) log_retire(3, store_instruction, store_start, retire_cycle);
        end
endmodule
