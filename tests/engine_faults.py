"""Faults of the engines and their memories."""

from __future__ import annotations

import test_dma_address
import test_dma_faults
import test_dma_halt
import test_dma_load
import test_dma_store
import test_matrix_engine
import test_matrix_faults
import test_parameter_buffer
import test_scratchpad
import test_vector_engine
import test_vector_faults
from component_faults import Case, Change, always, assigned, case, loaded
from matrix_bench import small_config
from reference_memory import SLVERR

from arch.isa import Addition, Buffer, ElementType, Table

_PROGRAMS = test_matrix_engine.PROGRAMS

MATRIX = {
    "compute tile: a lane is dropped": case(
        test_matrix_engine.test_gemm_of_one_tile,
        module="engine.compute",
        change=Change(r"operand_3_extended \* used_3_1;", "0;"),
    ),
    "compute tile: the next weights are used with every row": case(
        test_matrix_engine.test_tile_takes_the_longer_of_rows_and_reads,
        *(7, 7),
        module="engine.compute",
        change=Change(r"tile__row__valid & tile__row__swap", "tile__row__valid", count=16),
    ),
    "compute tile: columns of weights are taken for rows": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["weights as rows of n"],
        module="engine.compute",
        change=Change(r"= tile__load__transposed \? ", "= 1'b0 ? ", count=15),
    ),
    "matrix: accumulates where it should overwrite": case(
        test_matrix_engine.test_gemm_of_one_tile,
        module="engine.rows",
        change=Change(r"= \S+ +\| issued\[425\];", "= 1'b1;"),
    ),
    "matrix: retires a cycle early": case(
        test_matrix_engine.test_row_is_written_and_instruction_retires_after_the_pipeline,
        module="engine",
        change=assigned("status__retire", "valid[2] & result_2[16]"),
    ),
    "matrix: the third weight tile does not wait for the first": case(
        test_matrix_engine.test_third_tile_waits_for_the_first_ones_last_row,
        module="engine",
        change=assigned("room", "1'b1"),
    ),
    "streamer: the zero point is added": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["unsigned bytes and zero points"],
        module="engine.streamer",
        change=Change(r"- (\$signed\(turned\[17:9\]\))", r"+ \1", count=4),
    ),
    "loader: the zero point is added": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["unsigned bytes and zero points"],
        module="engine.loader",
        change=Change(r"- (\$signed\(\\\$\d+ \));", r"+ \1;", count=4),
    ),
    "loader: the row of zero points is not used": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["a row of zero points for each n tile"],
        module="engine.loader",
        change=Change(r"loading\[6\] \? zero_points", "1'b0 ? zero_points", count=4),
    ),
    "loader: columns from last_n on are not masked": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["k and n in several tiles, partial at the end"],
        module="engine.loader",
        change=Change(r"last\[4\] \? options\[17:15\] : 3'h4", "3'h4", count=3),
    ),
    "rows: lanes from last_k on are not masked": case(
        test_matrix_engine.test_bytes_of_invalid_lanes_do_not_matter,
        0,
        module="engine.rows",
        change=Change(r"last\[2\] \? issued\[336:330\] : 7'h04", "7'h04", count=3),
    ),
    "rows: the x limit is one too far": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows",
        change=Change(r"(issued\[269:246\] \}\)) -", r"\1 + $signed(2'h1) -", count=3),
    ),
    "rows: the y limit is one too far": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows",
        change=Change(r"< (\$signed\(\{ 1'h0, issued\[125:110\] \}\))", r"<= \1"),
    ),
    "row addresses: ky goes on by the step of kx": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows.address_walk",
        change=loaded("stride_4", "stride_3"),
    ),
    "row addresses: columns have no stride": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows.address_walk",
        change=loaded("stride_0", "0"),
    ),
    "loop nest: a loop starts again with one iteration less": case(
        test_matrix_engine.test_accumulators_and_cycles,
        _PROGRAMS["convolution with halo"],
        module="engine.rows.nest",
        change=loaded("again_1", r"\2 - 1"),
    ),
    "rows: the last byte of the buffer is an overrun": case(
        test_matrix_faults.test_activations_up_to_the_last_byte_are_no_error,
        small_config(),
        module="engine.rows",
        change=Change(r"> 11'h400;", ">= 11'h400;", count=2),
    ),
    "rows: there is a vector behind the last": case(
        test_matrix_faults.test_vectors_beyond_the_accumulator,
        *(small_config(), 0),
        module="engine.rows",
        change=Change(r"address < 7'h40;", "address <= 7'h40;"),
    ),
}

MEMORIES = {
    "scratchpad: a byte is enabled by its neighbour": case(
        test_scratchpad.test_write_at_every_address_with_every_kind_of_enable,
        change=Change(r"\(write_port__en\[1\]\)", "(write_port__en[0])"),
    ),
    "scratchpad: the words of a window are exchanged": case(
        test_scratchpad.test_window_before_address_zero_goes_on_at_zero,
        change=Change(r"\{ even, odd \} : \{ odd, even \}", "{ odd, even } : { even, odd }"),
    ),
    "scratchpad: the second reader does not wait for the first": case(
        test_scratchpad.test_clients_wait_for_those_before_them,
        "read",
        change=assigned("read__1__ready", "1'b1"),
    ),
    "scratchpad: a reader that waits does not hold those behind it": case(
        test_scratchpad.test_clients_wait_for_those_before_them,
        "read",
        change=assigned("read__2__ready", r"\2 | ~read__1__ready"),
    ),
    "scratchpad: half of a write that waits is made": case(
        test_scratchpad.test_denied_access_waits_whole,
        change=Change(r"(\\wanted\S+ \[\d\]) & write__1__ready;", r"\1;", count=8),
    ),
    "scratchpad: a read in the cycle of a write returns the new word": case(
        test_scratchpad.test_read_in_the_cycle_of_a_write_returns_the_old_word,
        change=Change(
            r"<= (bank_\d_even\[(\\?read_port__addr\S* ?)\]);",
            r"<= write__0__valid ? write__0__data[31:0] : \1;",
            count=4,
        ),
    ),
    "scratchpad window: a bank begins a pair of words late": case(
        test_scratchpad.test_window_at_every_address,
        module="read_window_1",
        change=Change(r"address\[23:3\] < 2'h3;", "address[23:3] < 3'h4;"),
    ),
    "accumulator: a write goes to both halves": case(
        test_scratchpad.test_accumulator_halves_are_apart,
        change=assigned("write__en", "matrix_write__enable"),
    ),
    "accumulator: a read in the cycle of a write returns the old vector": case(
        test_scratchpad.test_accumulator_read_in_the_cycle_of_a_write_returns_the_new_vector,
        change=Change(r"_\d_ <= matrix_write__data;", ";", count=2),
    ),
    "parameter buffer: a byte is enabled by any": case(
        test_parameter_buffer.test_only_enabled_bytes_are_written,
        change=Change(r"\(write__enable\[3\]\)", "(|write__enable)"),
    ),
    "parameter buffer: a read in the cycle of a write returns the new word": case(
        test_parameter_buffer.test_a_read_in_the_cycle_of_a_write_returns_the_old_word,
        change=Change(
            r"<= memory\[read__address\];",
            "<= |write__enable ? write__data : memory[read__address];",
        ),
    ),
}

LOAD = {
    "burst generator: bursts are not cut at multiples of burst_bytes": case(
        test_dma_address.test_bursts_of_random_instructions_come_without_a_gap,
        0,
        change=Change(r"12'h800 - dram\[10:0\];", "12'h800;"),
    ),
    "burst generator: runs have the stride of planes": case(
        test_dma_address.test_bursts_of_random_instructions_come_without_a_gap,
        0,
        change=Change(r"(\+ \\word\S+ )\[169:138\];", r"\1[241:210];"),
    ),
    "burst generator: the last beat is left out where it is not whole": case(
        test_dma_address.test_bursts_of_random_instructions_come_without_a_gap,
        0,
        change=Change(r"\+ 3'h7;", "+ 3'h0;"),
    ),
    "beat walker: every beat begins at the lane of the first": case(
        test_dma_address.test_a_burst_is_cut_into_beats_without_a_gap,
        *(always, 0),
        change=Change(r"o__payload\[31\] \? (i__payload\[26:24\]) : 3'h0;", r"\1;"),
    ),
    "LOAD: padding does not go on behind a beat of it": case(
        test_dma_load.test_runs_and_planes_are_copied_with_their_padding,
        module="engine.writer",
        change=Change(r"\[25:2\] = stage\[49:26\];", "[25:2] = stage[25:2];"),
    ),
    "LOAD: strobes are not shifted to the lane": case(
        test_dma_load.test_runs_and_planes_are_copied_with_their_padding,
        module="engine.writer",
        change=Change(r"\$signed\((\S+ )\) << beat\[26:24\];", r"\1;"),
    ),
    "LOAD: error responses are not looked at": case(
        test_dma_faults.test_a_beat_with_an_error_is_not_written,
        SLVERR,
        module="engine.writer",
        change=Change(r"\[64:63\] = data\[65:64\];", "[64:63] = 2'h0;"),
    ),
    "LOAD: the end of the buffer is a byte too far": case(
        test_dma_faults.test_a_load_beyond_its_buffer_is_to_blame,
        *(Buffer.PARAMETER, 0),
        module="engine.writer",
        change=Change(r"stage\[50:26\] > 13'h1000;", "stage[50:26] > 13'h1008;"),
    ),
    "LOAD: a beat goes to the first part of a parameter word": case(
        test_dma_load.test_parameter_words_are_filled_by_aligned_beats,
        module="engine.writer",
        change=Change(r"casez \(stage\[6:5\]\)", "casez (2'h0)"),
    ),
    "LOAD: one burst more than the window allows": case(
        test_dma_load.test_a_burst_is_presented_exactly_while_the_window_allows,
        *(32, 10),
        module="engine",
        change=Change(r"outstanding < (\S+);", r"outstanding <= \1;"),
    ),
    "LOAD: instructions in flight are not limited": case(
        test_dma_load.test_no_more_loads_are_in_flight_than_the_rule_allows,
        module="engine",
        change=assigned("issue__ready", "~o__valid"),
    ),
}

STORE = {
    "STORE: strobes are not shifted to the lane": case(
        test_dma_store.test_runs_and_planes_are_copied,
        module="engine",
        change=Change(r"\$signed\((\S+ )\) << lane;", r"\1;"),
    ),
    "STORE: every beat is the last of its burst": case(
        test_dma_store.test_runs_and_planes_are_copied,
        change=assigned("axi__wlast", "1'b1"),
    ),
    "STORE: retires with the response of any burst": case(
        test_dma_store.test_a_store_retires_with_the_response_of_its_last_burst,
        module="engine",
        change=Change(r"(\\r_en\S+ ) & \\r_data\S+ ;", r"\1;"),
    ),
    "STORE: error responses are not looked at": case(
        test_dma_faults.test_the_store_whose_burst_is_refused_is_to_blame,
        SLVERR,
        module="engine",
        change=assigned("refused", "1'b0"),
    ),
    "STORE: strobes are set in beats that a halt kept from being read": case(
        test_dma_halt.test_a_store_halted_with_full_queues_sends_the_rest_of_its_burst,
        module="engine",
        change=Change(r"halt \? 4'h0 : ", ""),
    ),
    "STORE: reads stop a beat before the FIFO is full": case(
        test_dma_store.test_reads_go_on_exactly_while_the_write_fifo_has_room,
        *(2, 8),
        module="engine",
        change=Change(r"unsent != 6'h20;", "unsent < 6'h1f;"),
    ),
}

VECTOR = {
    "lanes: a bias is not added": case(
        test_vector_engine.test_bias_wraps_at_32_bits,
        module="lanes",
        change=Change(r"accumulators\[31:0\] \+ biases\[31:0\];", "accumulators[31:0];"),
    ),
    "lanes: entries of the unary table are always signed": case(
        test_vector_engine.test_each_table_keeps_what_it_holds_when_the_other_is_filled,
        module="lanes",
        change=Change(r"(entry__\d\[7\]) & options\[165\];", r"\1;", count=32),
    ),
    "lanes: the residual is that of the row before": case(
        test_vector_engine.test_a_residual_port_that_is_denied_for_long_holds_back_nothing_but_its_row,
        module="lanes",
        change=Change(r"== 3'h5;", "== 3'h6;"),
    ),
    "lanes: the pipeline is a cycle too short": case(
        test_vector_engine.test_rows_are_issued_and_written_in_the_cycles_of_the_rules,
        Addition.NONE,
        module="lanes.add_residual",
        change=assigned("result_valid", "stage_valid[3]"),
    ),
    "requantize: ties of a value are rounded down to 24 bits": case(
        test_vector_engine.test_every_rounding_is_half_to_even,
        module="lanes.requantize",
        change=Change(r"\+ \S+ \[8\];", "+ 1'h0;", count=4),
    ),
    "requantize: a product is cut to 24 bits": case(
        test_vector_engine.test_every_rounding_is_half_to_even,
        module="lanes.requantize",
        change=Change(r"\+ 23'h7fffff;", "+ 23'h0;", count=4),
    ),
    "requantize: ties of an integer are rounded down": case(
        test_vector_engine.test_every_rounding_is_half_to_even,
        module="lanes.requantize",
        change=Change(r"\+ \S+ \[25\];", "+ 1'h0;", count=4),
    ),
    "requantize: no lower clamp": case(
        test_vector_engine.test_random_instructions_write_what_i04_says,
        0,
        module="lanes.requantize",
        change=Change(r"< \$signed\((\\port\S+ )\[31:16\]\);", "< $signed(16'h8000);", count=4),
    ),
    "addition: bits of a term below the window are lost": case(
        test_vector_engine.test_what_is_below_the_window_of_the_addition_decides,
        False,
        module="lanes.add_residual",
        change=Change(r"(assign b_\d_magnitude = \S+ ) \| .*;", r"\1;", count=4),
    ),
    "addition: bits of a product below the window are lost": case(
        test_vector_engine.test_what_is_below_the_window_of_the_addition_decides,
        True,
        module="lanes.add_residual",
        change=Change(r"(assign a_\d_magnitude = \S+ ) \| .*;", r"\1;", count=4),
    ),
    "addition: the sum is not clamped from above": case(
        test_vector_engine.test_random_instructions_write_what_i04_says,
        0,
        module="lanes.add_residual",
        change=Change(r"> \$signed\(\\port\S+ \[31:16\]\);", "> $signed(16'h7fff);", count=4),
    ),
    "rows: the output has no stride": case(
        test_vector_engine.test_only_valid_lanes_are_written,
        *(ElementType.INT8, Buffer.ACTIVATION),
        module="rows.write_walk",
        change=Change(r"address \+ \\port\S+ \[47:24\];", "address;"),
    ),
    "rows: all lanes of the last n tile are written": case(
        test_vector_engine.test_only_valid_lanes_are_written,
        *(ElementType.INT8, Buffer.ACTIVATION),
        module="rows",
        change=Change(r"\\last_tile\S+ +\? fields\[91:85\] : 7'h04;", "7'h04;", count=5),
    ),
    "rows: a row does not wait for its residual": case(
        test_vector_engine.test_a_denied_residual_read_holds_its_row,
        0,
        module="rows",
        change=assigned("denied", "1'b0"),
    ),
    "rows: the end of the buffer is a byte too far": case(
        test_vector_faults.test_residual_beyond_the_end,
        *(test_vector_faults.CONFIG, Addition.TABLE),
        module="rows",
        change=Change(r"\S+ +> 14'h2000;", "0;", count=2),
    ),
    "table fill: the last word of the unary table is not read": case(
        test_vector_engine.test_table_reads_a_word_a_cycle,
        Table.UNARY,
        module="table_fill",
        change=Change(r"8'hff : 8'h3f;", "8'hff : 8'h3e;"),
    ),
    "table fill: words are written one entry late": case(
        test_vector_engine.test_each_table_keeps_what_it_holds_when_the_other_is_filled,
        module="table_fill",
        change=loaded("written_index", r"\2 + 1"),
    ),
}

ENGINE_FAULTS: dict[str, Case] = {**MATRIX, **MEMORIES, **LOAD, **STORE, **VECTOR}
