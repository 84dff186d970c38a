// Drives the reference memory from a script and logs every handshake with its cycle.
//
// Script lines: `<earliest cycle> <AR|AW> <address> <beats> <id>` and, for write data in order,
// `<earliest cycle> W <first byte> <last> 0`. Each channel presents its lines in order.
module reference_memory_bench;
    parameter integer DATA_BYTES = 8;
    localparam integer LINES = 4096;

    reg clk = 0;
    always #1 clk = ~clk;
    reg reset = 1;

    integer earliest[0:3*LINES-1];
    reg [31:0] first[0:3*LINES-1];
    integer second[0:3*LINES-1];
    integer third[0:3*LINES-1];
    integer head[0:2], tail[0:2];

    reg arvalid = 0, awvalid = 0, wvalid = 0;
    reg [31:0] araddr = 0, awaddr = 0;
    reg [7:0] arlen = 0, awlen = 0;
    reg arid = 0, awid = 0, wlast = 0;
    reg [8*DATA_BYTES-1:0] wdata = 0;
    wire arready, awready, wready, rvalid, rlast, rid, bvalid, bid;
    wire [31:0] protocol_errors, outside_beats;
    wire [8*DATA_BYTES-1:0] rdata;
    wire [1:0] rresp, bresp;
    integer rready_gap;
    integer cycle = 0;
    wire rready = rready_gap == 0 || cycle % (rready_gap + 1) == 0;

    reference_memory #(.DATA_BYTES(DATA_BYTES), .MEMORY_WORDS(4096)) memory (
        .clk(clk), .reset(reset), .protocol_errors(protocol_errors),
        .outside_beats(outside_beats),
        .arvalid(arvalid), .arready(arready), .araddr(araddr), .arlen(arlen), .arid(arid),
        .arsize(3'($clog2(DATA_BYTES))), .arburst(2'd1),
        .rvalid(rvalid), .rready(rready), .rdata(rdata), .rresp(rresp), .rlast(rlast), .rid(rid),
        .awvalid(awvalid), .awready(awready), .awaddr(awaddr), .awlen(awlen), .awid(awid),
        .awsize(3'($clog2(DATA_BYTES))), .awburst(2'd1),
        .wvalid(wvalid), .wready(wready), .wdata(wdata), .wstrb({DATA_BYTES{1'b1}}), .wlast(wlast),
        .bvalid(bvalid), .bready(1'b1), .bresp(bresp), .bid(bid)
    );

    reg [8*1024-1:0] script;
    reg [8*2-1:0] kind;
    integer file, at, b, d, last_cycle, channel, fields;
    reg [31:0] a;

    initial begin
        for (channel = 0; channel < 3; channel = channel + 1) begin
            head[channel] = channel * LINES;
            tail[channel] = channel * LINES;
        end
        for (at = 0; at < 4096; at = at + 1)
            for (b = 0; b < DATA_BYTES; b = b + 1) memory.memory[at][8*b+:8] = at * DATA_BYTES + b;
        if (!$value$plusargs("script=%s", script)) $finish;
        if (!$value$plusargs("last_cycle=%d", last_cycle)) $finish;
        if (!$value$plusargs("rready_gap=%d", rready_gap)) rready_gap = 0;
        if ($value$plusargs("limit_bytes=%d", a)) memory.limit_bytes = {1'b0, a};
        if ($value$plusargs("fault_first=%d", a)) memory.fault_first = a;
        if ($value$plusargs("fault_last=%d", a)) memory.fault_last = a;
        if ($value$plusargs("read_fault=%d", a)) memory.read_fault = a[1:0];
        if ($value$plusargs("write_fault=%d", a)) memory.write_fault = a[1:0];
        if ($value$plusargs("answered_bursts=%d", a)) memory.answered_bursts = a;
        file = $fopen(script, "r");
        fields = $fscanf(file, "%d %s %d %d %d", at, kind, a, b, d);
        while (fields == 5) begin
            channel = kind == "AR" ? 0 : kind == "AW" ? 1 : 2;
            earliest[tail[channel]] = at;
            first[tail[channel]] = a;
            second[tail[channel]] = b;
            third[tail[channel]] = d;
            tail[channel] = tail[channel] + 1;
            fields = $fscanf(file, "%d %s %d %d %d", at, kind, a, b, d);
        end
        #3 reset = 0;
    end

    always @(posedge clk)
        if (!reset) begin
            if (arvalid && arready) $display("AR %0d", cycle);
            if (awvalid && awready) $display("AW %0d", cycle);
            if (wvalid && wready) $display("W %0d", cycle);
            if (rvalid && rready)
                $display("R %0d %0d %0d %0d %0d", cycle, rid, rlast, rresp, rdata[7:0]);
            if (bvalid) $display("B %0d %0d %0d", cycle, bid, bresp);
            if (cycle == last_cycle) begin
                $display("PROTOCOL %0d", protocol_errors);
                $display("OUTSIDE %0d", outside_beats);
                $display("HELD %0d %0d", memory.memory[0], memory.memory[1]);
                $finish;
            end
            cycle <= cycle + 1;

            // What is presented in cycle + 1.
            arvalid <= head[0] != tail[0] && earliest[head[0]] <= cycle + 1;
            if (head[0] != tail[0] && earliest[head[0]] <= cycle + 1) begin
                araddr <= first[head[0]];
                arlen <= second[head[0]] - 1;
                arid <= third[head[0]];
                head[0] = head[0] + 1;
            end
            awvalid <= head[1] != tail[1] && earliest[head[1]] <= cycle + 1;
            if (head[1] != tail[1] && earliest[head[1]] <= cycle + 1) begin
                awaddr <= first[head[1]];
                awlen <= second[head[1]] - 1;
                awid <= third[head[1]];
                head[1] = head[1] + 1;
            end
            if (!wvalid || wready) begin
                wvalid <= head[2] != tail[2] && earliest[head[2]] <= cycle + 1;
                if (head[2] != tail[2] && earliest[head[2]] <= cycle + 1) begin
                    wdata <= {DATA_BYTES{first[head[2]][7:0]}};
                    wlast <= second[head[2]];
                    head[2] = head[2] + 1;
                end
            end
        end
endmodule
