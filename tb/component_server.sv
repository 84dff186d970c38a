// Serves a component to a test outside, over standard input and output.
//
// A line of input is `0 HEX` or `1 HEX`, where HEX are all inputs. 0 answers `=BITS`, all outputs
// once they have settled (an X as x); 1 is a clock cycle with these inputs and answers nothing.
module component_server;
    // INPUT_BITS, OUTPUT_BITS, CONNECTIONS
    `include "component.svh"

    localparam [31:0] STANDARD_INPUT = 32'h8000_0000;

    reg clk = 1'b0;
    reg [INPUT_BITS-1:0] inputs = 0;
    wire [OUTPUT_BITS-1:0] outputs;

    component dut (`CONNECTIONS);

    integer fields, tick;

    initial begin
        fields = $fscanf(STANDARD_INPUT, "%d %h", tick, inputs);
        while (fields == 2) begin
            #1;
            if (tick == 0) begin
                $display("=%b", outputs);
                $fflush;
            end else begin
                clk = 1'b1;
                #1 clk = 1'b0;
                #1;
            end
            fields = $fscanf(STANDARD_INPUT, "%d %h", tick, inputs);
        end
        $finish;
    end
endmodule
