// Runs the verilated assay_top without cocotb, to measure what cocotb costs.
//
// Arguments: +write=OFFSET:VALUE for every register write, in order, the last one START; plus those
// of the reference memory. Prints the cycles from START to the interrupt and the seconds they took.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "Vtop.h"
#include "Vtop___024root.h"
#include "verilated.h"

namespace {

std::unique_ptr<VerilatedContext> context;
std::unique_ptr<Vtop> top;

void next_time_slot() {
    top->eval();
    context->time(top->nextTimeSlot());
}

void next_rising_edge() {
    while (top->rootp->assay_top__DOT__clk) next_time_slot();
    while (!top->rootp->assay_top__DOT__clk) next_time_slot();
}

void write_register(uint32_t offset, uint32_t value) {
    auto* signals = top->rootp;
    signals->assay_top__DOT__csr_awaddr = offset;
    signals->assay_top__DOT__csr_wdata = value;
    signals->assay_top__DOT__csr_wstrb = 0xf;
    signals->assay_top__DOT__csr_awvalid = 1;
    signals->assay_top__DOT__csr_wvalid = 1;
    signals->assay_top__DOT__csr_bready = 1;
    bool answered = false;
    while (!answered) {
        // A channel is taken at the next edge if it is ready before it.
        while (top->rootp->assay_top__DOT__clk) next_time_slot();
        const bool address = signals->assay_top__DOT__csr_awready;
        const bool data = signals->assay_top__DOT__csr_wready;
        answered = signals->assay_top__DOT__csr_bvalid;
        next_rising_edge();
        if (address) signals->assay_top__DOT__csr_awvalid = 0;
        if (data) signals->assay_top__DOT__csr_wvalid = 0;
    }
}

}  // namespace

int main(int argc, char** argv) {
    context = std::make_unique<VerilatedContext>();
    context->commandArgs(argc, argv);
    top = std::make_unique<Vtop>(context.get());
    for (int i = 0; i < 4; ++i) next_rising_edge();
    top->rootp->assay_top__DOT__load = 1;
    while (!top->rootp->assay_top__DOT__loaded) next_time_slot();
    top->rootp->assay_top__DOT__reset = 0;

    uint64_t first_cycle = 0;
    auto started = std::chrono::steady_clock::now();
    for (int i = 1; i < argc; ++i) {
        unsigned offset, value;
        if (std::sscanf(argv[i], "+write=%u:%u", &offset, &value) != 2) continue;
        first_cycle = top->rootp->assay_top__DOT__cycle;
        started = std::chrono::steady_clock::now();
        write_register(offset, value);
    }
    while (!top->rootp->assay_top__DOT__interrupt && !context->gotFinish()) next_time_slot();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    const uint64_t cycles = top->rootp->assay_top__DOT__cycle - first_cycle;
    std::printf("bare %llu %.9f\n", static_cast<unsigned long long>(cycles), seconds.count());
    top->final();
    return 0;
}
