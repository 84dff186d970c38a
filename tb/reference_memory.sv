// The reference memory: an AXI4 slave with exactly the timing of rules T-DRAM-01 to T-DRAM-05 of
// docs/architecture.md. "Cycle t" there is the interval that ends at the clock edge at which
// `cycle` still reads t; what is assigned at that edge is on the port in cycle t + 1.
//
// Plus arguments: +dram_latency_cycles, +dram_bytes_per_cycle. Contents are `memory`, byte 0 of a
// word in its least significant bits. Whoever instantiates it may set, between runs:
//
//   limit_bytes                 a beat at or beyond it is answered DECERR, and counted
//   fault_first, fault_last     beats whose (aligned) address lies in this range, both included,
//   read_fault, write_fault     are answered with these codes; a write so refused changes nothing
//   answered_bursts, bursts     when `bursts`, which counts bursts as they are accepted, reaches
//                               `answered_bursts` the memory falls silent: it accepts nothing more
//                               and presents nothing more, until `reset`
module reference_memory #(
    parameter integer DATA_BYTES = 16,
    parameter integer MEMORY_WORDS = 1 << 22
) (
    input wire clk,
    input wire reset,

    input wire arvalid,
    output wire arready,
    input wire [31:0] araddr,
    input wire [7:0] arlen,
    input wire [2:0] arsize,
    input wire [1:0] arburst,
    input wire arid,

    output reg rvalid,
    input wire rready,
    output reg [8*DATA_BYTES-1:0] rdata,
    output reg [1:0] rresp,
    output reg rlast,
    output reg rid,

    input wire awvalid,
    output wire awready,
    input wire [31:0] awaddr,
    input wire [7:0] awlen,
    input wire [2:0] awsize,
    input wire [1:0] awburst,
    input wire awid,

    input wire wvalid,
    output reg wready,
    input wire [8*DATA_BYTES-1:0] wdata,
    input wire [DATA_BYTES-1:0] wstrb,
    input wire wlast,

    output reg bvalid,
    input wire bready,
    output reg [1:0] bresp,
    output reg bid,

    // What the master must never do, and beats beyond the limit; counted since power-up.
    output reg [31:0] protocol_errors,
    output reg [31:0] outside_beats
);
    localparam integer OFFSET_BITS = $clog2(DATA_BYTES);
    localparam [1:0] OKAY = 2'd0, DECERR = 2'd3, INCR = 2'd1;
    // More bursts than a master can have outstanding: 64 reads of LOAD, 16 fetches, 64 writes.
    localparam integer QUEUE = 256;

    reg [8*DATA_BYTES-1:0] memory[0:MEMORY_WORDS-1];

    integer latency;
    integer bytes_per_cycle;
    reg [32:0] limit_bytes = {1'b0, MEMORY_WORDS[31:0]} * DATA_BYTES;
    reg [31:0] fault_first = 32'hffffffff, fault_last = 32'd0;
    reg [1:0] read_fault = OKAY, write_fault = OKAY;
    reg [31:0] answered_bursts = 32'hffffffff, bursts = 32'd0;
    reg silent;

    initial begin
        if (!$value$plusargs("dram_latency_cycles=%d", latency)) latency = 100;
        if (!$value$plusargs("dram_bytes_per_cycle=%d", bytes_per_cycle))
            bytes_per_cycle = DATA_BYTES;
        protocol_errors = 32'd0;
        outside_beats = 32'd0;
    end

    reg [63:0] cycle;
    // First cycle in which the server has nothing to do with the bursts scheduled so far.
    reg [63:0] free;

    // Accepted bursts, in order, before the server has given them a start.
    reg queue_write[0:QUEUE-1];
    reg [63:0] queue_accepted[0:QUEUE-1];
    reg [31:0] queue_addr[0:QUEUE-1];
    reg [7:0] queue_len[0:QUEUE-1];
    reg queue_id[0:QUEUE-1];
    reg [7:0] queue_head, queue_tail;

    // Reads with a start, before their last beat was presented.
    reg [63:0] read_start[0:QUEUE-1];
    reg [31:0] read_addr[0:QUEUE-1];
    reg [7:0] read_len[0:QUEUE-1];
    reg read_id[0:QUEUE-1];
    reg [7:0] read_head, read_tail;
    reg [8:0] read_beat;

    // The write in service: bursts behind it have no start before its last beat.
    reg writing;
    reg [63:0] write_start;
    reg [31:0] write_addr;
    reg [7:0] write_len;
    reg [8:0] write_beat;
    reg write_id;
    reg [1:0] write_code;

    // Completed writes, before their response was presented.
    reg [63:0] response_due[0:QUEUE-1];
    reg [1:0] response_code[0:QUEUE-1];
    reg response_id[0:QUEUE-1];
    reg [7:0] response_head, response_tail;

    reg [63:0] start;
    reg [31:0] word;
    reg [1:0] code;
    integer lane;

    // Cycles that `beats` beats take at the memory's rate, rounded down, and rounded up.
    function [63:0] beats_before(input [8:0] beats);
        beats_before = ({55'd0, beats} * DATA_BYTES) / bytes_per_cycle;
    endfunction

    function [63:0] burst_cycles(input [7:0] len);
        burst_cycles = ((64'd1 + len) * DATA_BYTES + bytes_per_cycle - 1) / bytes_per_cycle;
    endfunction

    function [31:0] beat_word(input [31:0] addr, input [8:0] beat);
        beat_word = (addr >> OFFSET_BITS) + {23'd0, beat};
    endfunction

    function outside(input [31:0] index);
        outside = {1'b0, index << OFFSET_BITS} >= limit_bytes;
    endfunction

    task violation(input [8*40-1:0] what, input [31:0] addr);
        begin
            $display("reference memory, cycle %0d: %0s at address 0x%08x", cycle, what, addr);
            protocol_errors = protocol_errors + 32'd1;
        end
    endtask

    // Sets `code`, the response to a beat.
    task answer(input [31:0] index, input [1:0] injected);
        reg [31:0] addr;
        begin
            addr = index << OFFSET_BITS;
            code = fault_first <= addr && addr <= fault_last ? injected : OKAY;
            if (outside(index)) begin
                $display("reference memory, cycle %0d: address 0x%08x is beyond it", cycle, addr);
                outside_beats = outside_beats + 32'd1;
                code = DECERR;
            end
        end
    endtask

    task accept(input write, input [31:0] addr, input [7:0] len, input id, input [2:0] size,
                input [1:0] burst);
        reg [31:0] last;
        begin
            last = ((addr >> OFFSET_BITS) << OFFSET_BITS) + len * DATA_BYTES;
            if ({29'd0, size} != OFFSET_BITS || burst != INCR) violation("burst not full-width INCR", addr);
            if (last[31:12] != addr[31:12]) violation("burst crosses 4 KiB", addr);
            queue_write[queue_tail] = write;
            queue_accepted[queue_tail] = cycle;
            queue_addr[queue_tail] = addr;
            queue_len[queue_tail] = len;
            queue_id[queue_tail] = id;
            queue_tail = queue_tail + 8'd1;
            bursts = bursts + 32'd1;
            if (queue_tail == queue_head) violation("more bursts than the queue holds", addr);
        end
    endtask

    // T-DRAM-02
    task schedule;
        while (!writing && queue_head != queue_tail) begin
            start = queue_accepted[queue_head] + 64'd1;
            if (start < free) start = free;
            if (queue_write[queue_head]) begin
                writing = 1'b1;
                write_start = start;
                write_addr = queue_addr[queue_head];
                write_len = queue_len[queue_head];
                write_id = queue_id[queue_head];
                write_beat = 9'd0;
                write_code = OKAY;
            end else begin
                free = start + burst_cycles(queue_len[queue_head]);
                read_start[read_tail] = start;
                read_addr[read_tail] = queue_addr[queue_head];
                read_len[read_tail] = queue_len[queue_head];
                read_id[read_tail] = queue_id[queue_head];
                read_tail = read_tail + 8'd1;
            end
            queue_head = queue_head + 8'd1;
        end
    endtask

    // T-DRAM-03
    task present_read;
        begin
            rvalid <= 1'b0;
            if (bursts < answered_bursts && read_head != read_tail) begin
                if (cycle + 64'd2 >= read_start[read_head] + latency + beats_before(read_beat)) begin
                    word = beat_word(read_addr[read_head], read_beat);
                    rvalid <= 1'b1;
                    rid <= read_id[read_head];
                    rlast <= read_beat == {1'b0, read_len[read_head]};
                    answer(word, read_fault);
                    rresp <= code;
                    if (!outside(word)) rdata <= memory[word];
                    read_beat = read_beat + 9'd1;
                    if (read_beat > {1'b0, read_len[read_head]}) begin
                        read_beat = 9'd0;
                        read_head = read_head + 8'd1;
                    end
                end
            end
        end
    endtask

    // T-DRAM-04
    task take_write_beat;
        begin
            word = beat_word(write_addr, write_beat);
            if (wlast != (write_beat == {1'b0, write_len}))
                violation("WLAST on the wrong beat", word << OFFSET_BITS);
            answer(word, write_fault);
            if (code > write_code) write_code = code;
            if (!code[1])
                for (lane = 0; lane < DATA_BYTES; lane = lane + 1)
                    if (wstrb[lane]) memory[word][8*lane+:8] = wdata[8*lane+:8];
            write_beat = write_beat + 9'd1;
            if (write_beat > {1'b0, write_len}) begin
                free = write_start + burst_cycles(write_len);
                if (free < cycle + 64'd1) free = cycle + 64'd1;
                writing = 1'b0;
                response_due[response_tail] = cycle + latency;
                response_code[response_tail] = write_code;
                response_id[response_tail] = write_id;
                response_tail = response_tail + 8'd1;
            end
        end
    endtask

    // T-DRAM-05
    task present_response;
        begin
            bvalid <= 1'b0;
            if (bursts < answered_bursts && response_head != response_tail
                && cycle + 64'd1 >= response_due[response_head]) begin
                bvalid <= 1'b1;
                bid <= response_id[response_head];
                bresp <= response_code[response_head];
                response_head = response_head + 8'd1;
            end
        end
    endtask

    // T-DRAM-01
    assign arready = !silent;
    assign awready = !silent;

    always @(posedge clk)
        if (reset) begin
            cycle = 64'd0;
            free = 64'd0;
            queue_head = 8'd0;
            queue_tail = 8'd0;
            read_head = 8'd0;
            read_tail = 8'd0;
            read_beat = 9'd0;
            response_head = 8'd0;
            response_tail = 8'd0;
            writing = 1'b0;
            rvalid <= 1'b0;
            wready <= 1'b0;
            bvalid <= 1'b0;
            bursts = 32'd0;
            silent <= 1'b0;
        end else begin
            if (arvalid && arready) accept(1'b0, araddr, arlen, arid, arsize, arburst);
            if (awvalid && awready) accept(1'b1, awaddr, awlen, awid, awsize, awburst);
            if (wvalid && wready) take_write_beat;
            schedule;
            if (!rvalid || rready) present_read;
            if (!bvalid || bready) present_response;
            silent <= bursts >= answered_bursts;
            wready <= bursts < answered_bursts && writing
                && cycle + 64'd1 >= write_start + beats_before(write_beat);
            cycle = cycle + 64'd1;
        end
endmodule
