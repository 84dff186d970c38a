// The simulation top: clock, accelerator, reference memory, and files for all that Python needs.
//
// Python (or bare.cpp) touches only what is public here: it releases `reset`; for each program it
// raises `load` and waits for `loaded`, talks to the AXI4-Lite slave, waits for `interrupt`, raises
// `dump` and waits for `dumped`. Files are in the working directory, N counts programs from 0:
//
//   memory_N.txt         seven numbers for the buffers and the reference memory: 1 where the buffers
//                        keep what they hold, limit_bytes, answered_bursts, fault_first,
//                        fault_last, read_fault, write_fault
//   dram_in_N.bin, buffers_in_N.bin   contents before the run, words with their last byte first
//   buffers_kept_N.bin                written in place of buffers_in_N.bin being read
//   dram_out_N.bin, buffers_out_N.bin contents after the run, words with their first byte first
//   retire_N.bin         a record of six 32-bit words for each retired instruction: engine,
//                        instruction, start (64 bits), end (64 bits)
//
// With WAVES_FILE defined, waves.sv writes a trace of that name.
//
// With AXI_AGENT defined, Python is the memory (axi_port.sv), and deals with its files itself.
module assay_top #(
    parameter integer MEMORY_WORDS = 1 << 22
);
    // AXI_BYTES, CSR_ADDRESS_BITS, INDEX_BITS, CYCLE_BITS, load_memories, dump_memories
    `include "accelerator.svh"

    reg clk  /*verilator public_flat_rd*/ = 1'b0;
    always #1 clk = ~clk;

    reg reset  /*verilator public_flat_rw*/ = 1'b1;
    reg memory_reset  /*verilator public_flat_rw*/ = 1'b0;
    reg load  /*verilator public_flat_rw*/ = 1'b0;
    reg loaded  /*verilator public_flat_rd*/ = 1'b0;
    reg dump  /*verilator public_flat_rw*/ = 1'b0;
    reg dumped  /*verilator public_flat_rd*/ = 1'b0;
    reg [63:0] cycle  /*verilator public_flat_rd*/ = 64'd0;
    wire interrupt  /*verilator public_flat_rd*/;
    wire [31:0] protocol_errors  /*verilator public_flat_rd*/;
    wire [31:0] outside_beats  /*verilator public_flat_rd*/;
    // The bus: bursts asked for and not completed, and whether the accelerator presents anything.
    reg [31:0] open_reads  /*verilator public_flat_rd*/ = 32'd0;
    reg [31:0] open_writes  /*verilator public_flat_rd*/ = 32'd0;
    wire presents  /*verilator public_flat_rd*/;
    // Words that held an X in the last dump.
    integer unknown_words  /*verilator public_flat_rd*/;
    // Cycles with an X on what others act on: interrupt, handshakes, retirements.
    reg [31:0] unknown_cycles  /*verilator public_flat_rd*/ = 32'd0;

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

`ifdef AXI_AGENT
    assign protocol_errors = 32'd0;
    assign outside_beats = 32'd0;

    axi_port #(
        .DATA_BYTES(AXI_BYTES)
    ) dram (
`else
    reference_memory #(
        .DATA_BYTES(AXI_BYTES),
        .MEMORY_WORDS(MEMORY_WORDS)
    ) dram (
        .protocol_errors(protocol_errors),
        .outside_beats(outside_beats),
`endif
        .clk(clk),
        .reset(reset || memory_reset),
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

    assign presents = arvalid || awvalid || wvalid;
    always @(posedge clk)
        if (reset || memory_reset) begin
            open_reads <= 32'd0;
            open_writes <= 32'd0;
        end else begin
            open_reads <= open_reads + (arvalid && arready) - (rvalid && rready && rlast);
            open_writes <= open_writes + (awvalid && awready) - (bvalid && bready);
        end

    integer file, index, numbers_read, words_read, keep_buffers;
    integer program_number = -1, retire_file = 0;

    always @(posedge load) begin
        program_number = program_number + 1;
        file = $fopen($sformatf("memory_%0d.txt", program_number), "r");
        numbers_read = $fscanf(file, "%d", keep_buffers);
`ifndef AXI_AGENT
        numbers_read = $fscanf(file, "%d %d %d %d %d %d", dram.limit_bytes,
                               dram.answered_bursts, dram.fault_first, dram.fault_last,
                               dram.read_fault, dram.write_fault);
        dram.bursts = 32'd0;
`endif
        $fclose(file);
`ifndef AXI_AGENT
        file = $fopen($sformatf("dram_in_%0d.bin", program_number), "rb");
        words_read = $fread(dram.memory, file);
        $fclose(file);
`endif
        if (keep_buffers != 0) begin
            file = $fopen($sformatf("buffers_kept_%0d.bin", program_number), "wb");
            dump_memories;
        end else begin
            file = $fopen($sformatf("buffers_in_%0d.bin", program_number), "rb");
            load_memories;
        end
        $fclose(file);
        if (retire_file != 0) $fclose(retire_file);
        retire_file = $fopen($sformatf("retire_%0d.bin", program_number), "wb");
        loaded = 1'b1;
    end
    always @(negedge load) loaded = 1'b0;

    // %u writes 0 for X, so a word with an X is told apart here.
    task dump_word_check(input unknown);
        if (unknown === 1'bx) unknown_words = unknown_words + 1;
    endtask

    wire unknown_now = ^{
        interrupt, csr_awready, csr_wready, csr_bvalid, csr_arready, csr_rvalid,
        arvalid, rready, awvalid, wvalid, bready,
        load_retired, matrix_retired, vector_retired, store_retired
    };

    always @(posedge clk)
        if (!reset && unknown_now === 1'bx) unknown_cycles <= unknown_cycles + 32'd1;

    always @(posedge dump) begin
        unknown_words = 0;
`ifndef AXI_AGENT
        file = $fopen($sformatf("dram_out_%0d.bin", program_number), "wb");
        for (index = 0; {1'b0, index} * AXI_BYTES < dram.limit_bytes; index = index + 1) begin
            dump_word_check(^dram.memory[index]);
            $fwrite(file, "%u", dram.memory[index]);
        end
        $fclose(file);
`endif
        file = $fopen($sformatf("buffers_out_%0d.bin", program_number), "wb");
        dump_memories;
        $fclose(file);
        $fflush(retire_file);
        dumped = 1'b1;
    end
    always @(negedge dump) dumped = 1'b0;

`ifdef WAVES_FILE
    waves waves (
        .clk(clk),
        .running(dut.registers.running && !reset),
        .halt(dut.errors.halt),
        .cycle(64'd0 | retire_cycle)
    );
`endif

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
