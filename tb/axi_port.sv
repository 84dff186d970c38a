// The accelerator's AXI4 master as two vectors, for a memory in Python.
//
// `observed` is every signal of the cycle; Python reads it at the falling edge, when all have
// settled, so it sees which handshakes the cycle ends with. What it then writes to `driven` is on
// the ports from the next rising edge on. The order of the fields is that of axi_channels.py.
module axi_port #(
    parameter integer DATA_BYTES = 16
) (
    input wire clk,
    input wire reset,

    input wire arvalid,
    output reg arready,
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
    output reg awready,
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
    output reg bid
);
    localparam integer ADDRESS_BITS = 46, WRITE_BITS = 9 * DATA_BYTES + 1;
    localparam integer READ_BITS = 8 * DATA_BYTES + 4, RESPONSE_BITS = 3;
    localparam integer OBSERVED_BITS =
        10 + 2 * ADDRESS_BITS + WRITE_BITS + READ_BITS + RESPONSE_BITS;
    localparam integer DRIVEN_BITS = 5 + READ_BITS + RESPONSE_BITS;

    wire [OBSERVED_BITS-1:0] observed  /*verilator public_flat_rd*/ = {
        {arvalid, awvalid, wvalid, rvalid, bvalid},
        {arready, awready, wready, rready, bready},
        {araddr, arlen, arsize, arburst, arid},
        {awaddr, awlen, awsize, awburst, awid},
        {wdata, wstrb, wlast},
        {rdata, rresp, rlast, rid},
        {bresp, bid}
    };
    reg [DRIVEN_BITS-1:0] driven  /*verilator public_flat_rw*/ = 0;

    always @(posedge clk)
        {arready, awready, wready, rvalid, bvalid, rdata, rresp, rlast, rid, bresp, bid} <=
            reset ? {DRIVEN_BITS{1'b0}} : driven;
endmodule
