// Writes the trace, and shows what an engineer reads first in words that a viewer can decode.
//
// The file is WAVES_FILE, in the working directory. Without arguments the whole simulation is
// traced. With +waves_from=N and +waves_to=N it holds the cycles N of the first run that are not
// before waves_from and before waves_to: from the rising edge that begins the first to the one that
// ends the last. waves_times.txt gets the times at which runs begin ("start"), end and halt for
// an error.
module waves (
    input wire clk,
    input wire running,
    input wire halt,
    input wire [63:0] cycle
);
    reg whole = 1'b0, opened = 1'b0, closing = 1'b0;
    reg [63:0] from, behind;
    integer times;
    // The code says nothing before there is an error.
    wire [7:0] error = assay_top.dut.errors.error ? assay_top.dut.errors.code : 8'h00;
    wire wanted = !whole && running && cycle >= from && cycle < behind;

    initial begin
        $dumpfile(`WAVES_FILE);
        times = $fopen("waves_times.txt", "w");
        if (!$value$plusargs("waves_from=%d", from) || !$value$plusargs("waves_to=%d", behind)) begin
            whole = 1'b1;
            $dumpvars(0, assay_top);
        end
    end

    reg ran = 1'b0;
    always @(posedge running) begin
        ran = 1'b1;
        $fwrite(times, "start %0d\n", $time);
    end
    always @(negedge running) if (ran) $fwrite(times, "end %0d\n", $time);
    always @(posedge halt) if (ran) $fwrite(times, "halt %0d\n", $time);

    always @(posedge wanted)
        if (!opened) begin
            opened = 1'b1;
            $dumpvars(0, assay_top);
        end
    always @(negedge wanted) closing = opened;
    // Half a cycle later, so that the last edge and what it did are still seen.
    always @(negedge clk)
        if (closing) begin
            closing = 1'b0;
`ifdef VERILATOR
            // It knows no $dumpoff.
            $c("vlSymsp->_traceDumpClose();");
`else
            $dumpoff;
`endif
        end

    waves_engine load (
        .waiting(assay_top.dut.control.issue_load.waiting),
        .head(assay_top.dut.control.issue_load.issue__word),
        .head_index(assay_top.dut.control.issue_load.issue__index),
        .lacks(assay_top.dut.control.issue_load.semaphores__lacks),
        .in_flight(assay_top.dut.control.issue_load.in_flight.r_rdy),
        .oldest_index(assay_top.dut.control.issue_load.retired__instruction)
    );
    waves_engine matrix (
        .waiting(assay_top.dut.control.issue_matrix.waiting),
        .head(assay_top.dut.control.issue_matrix.issue__word),
        .head_index(assay_top.dut.control.issue_matrix.issue__index),
        .lacks(assay_top.dut.control.issue_matrix.semaphores__lacks),
        .in_flight(assay_top.dut.control.issue_matrix.in_flight.r_rdy),
        .oldest_index(assay_top.dut.control.issue_matrix.retired__instruction)
    );
    waves_engine vector (
        .waiting(assay_top.dut.control.issue_vector.waiting),
        .head(assay_top.dut.control.issue_vector.issue__word),
        .head_index(assay_top.dut.control.issue_vector.issue__index),
        .lacks(assay_top.dut.control.issue_vector.semaphores__lacks),
        .in_flight(assay_top.dut.control.issue_vector.in_flight.r_rdy),
        .oldest_index(assay_top.dut.control.issue_vector.retired__instruction)
    );
    waves_engine store (
        .waiting(assay_top.dut.control.issue_store.waiting),
        .head(assay_top.dut.control.issue_store.issue__word),
        .head_index(assay_top.dut.control.issue_store.issue__index),
        .lacks(assay_top.dut.control.issue_store.semaphores__lacks),
        .in_flight(assay_top.dut.control.issue_store.in_flight.r_rdy),
        .oldest_index(assay_top.dut.control.issue_store.retired__instruction)
    );
endmodule

// The head of an engine's queue, the producers it waits for, and the oldest instruction in flight;
// all ones where there is none.
module waves_engine (
    input wire waiting,
    input wire [511:0] head,
    input wire [31:0] head_index,
    input wire [3:0] lacks,
    input wire in_flight,
    input wire [31:0] oldest_index
);
    wire [7:0] opcode = waiting ? head[7:0] : 8'hff;
    wire [31:0] next = waiting ? head_index : 32'hffff_ffff;
    wire [3:0] waits_for = waiting ? lacks : 4'h0;
    wire [31:0] current = in_flight ? oldest_index : 32'hffff_ffff;
endmodule
