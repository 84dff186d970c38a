"""Faults of the lanes of the vector unit."""

from __future__ import annotations

import test_lane_components
import test_vector_engine
from component_faults import Case, Change, assigned, bits_of, case

from arch.isa import ElementType, Opcode

_RAW = "options" + bits_of(Opcode.VECTOR, "raw")

LANE_FAULTS: dict[str, Case] = {
    "lanes: a bias is not added": case(
        test_vector_engine.test_bias_wraps_at_32_bits,
        module="lanes.lane_parameters",
        change=assigned("bias__0", "32'd0"),
    ),
    "lanes: a bias behind the scale is that of the next n tile": case(
        test_lane_components.test_options_together,
        module="lane_parameters",
        change=assigned("after__0", "has_after ? biases[15:0] : 16'h0"),
    ),
    "lanes: entries of the unary table are always signed": case(
        test_vector_engine.test_each_table_keeps_what_it_holds_when_the_other_is_filled,
        module="lanes",
        change=Change(
            rf"= options{bits_of(Opcode.VECTOR, 'unary_signed')} \? (\S+ ) : .*;", r"= \1;", count=4
        ),
    ),
    "lanes: an int16 residual is that of the row before": case(
        test_lane_components.test_options_together,
        change=Change(r"\? 4'he : 4'h9;", "? 4'hf : 4'h9;"),
    ),
    "lanes: a byte residual is that of the row before": case(
        test_lane_components.test_options_together,
        change=Change(r"\? 4'he : 4'h9;", "? 4'he : 4'ha;"),
    ),
    "lanes: a result is a cycle early": case(
        test_vector_engine.test_rows_are_issued_and_written_in_the_cycles_of_the_rules,
        "accumulators",
        module="lanes",
        change=Change(r"(assign result_valid = \S+ )\[15\];", r"\1[14];"),
    ),
    "lanes: the halves of raw values are exchanged": case(
        test_lane_components.test_raw_halves,
        change=Change(rf"(= {_RAW} ==) 2'h2;", r"\1 2'h1;", count=4),
    ),
    "lanes: raw values are those of the row before": case(
        test_lane_components.test_raw_halves,
        module="raw",
        change=Change(r"\+ 3'h6;", "+ 3'h7;"),
    ),
    "value: a sum is added, not subtracted": case(
        test_lane_components.test_centred_rows,
        module="value",
        change=Change(r"= - \$signed\(row_sum\);", "= row_sum;", count=4),
    ),
    "value: the zero point of the multiplier is not subtracted": case(
        test_lane_components.test_options_together,
        module="value",
        change=Change(r"- \$signed\(fields\[163:155\]\);", ";", count=4),
    ),
    "lane scale: a product is cut to 24 bits": case(
        test_lane_components.test_scale_of_a_row_is_rounded_half_to_even,
        change=Change(r"\+ 23'h7fffff;", "+ 23'h0;", count=64),
    ),
    "lane scale: ties are rounded up": case(
        test_lane_components.test_scale_of_a_row_is_rounded_half_to_even,
        change=Change(r"\+ normal_\d+\[24\];", "+ 1'h1;", count=64),
    ),
    "lane scale: 0 is taken for 2^-127": case(
        test_lane_components.test_scale_of_a_row_is_rounded_half_to_even,
        change=Change(r"= zero \? 32'd0 : bits", "= bits", count=64),
    ),
    "requantize: ties of a value are rounded down to 24 bits": case(
        test_vector_engine.test_every_rounding_is_half_to_even,
        module="lanes.requantize",
        change=Change(r"\+ normal_\d_1\[8\];", "+ 1'h0;", count=4),
    ),
    "requantize: a product is cut to 24 bits": case(
        test_vector_engine.test_every_rounding_is_half_to_even,
        module="lanes.requantize",
        change=Change(r"\+ 23'h7fffff;", "+ 23'h0;", count=4),
    ),
    "requantize: ties of an integer are rounded down": case(
        test_vector_engine.test_every_rounding_is_half_to_even,
        module="lanes.requantize",
        change=Change(r"\+ fixed_\d\[25\];", "+ 1'h0;", count=4),
    ),
    "requantize: no lower clamp": case(
        test_lane_components.test_options_together,
        module="requantize",
        change=Change(r"< \$signed\((\\port\S+ )\[31:16\]\);", "< $signed(16'h8000);", count=4),
    ),
    "requantize: integers saturate at 2^22": case(
        test_lane_components.test_exponents,
        ElementType.INT16,
        module="requantize",
        change=Change(r"\? 9'h019 :", "? 9'h018 :", count=4),
    ),
    "exponential: the rest does not count": case(
        test_lane_components.test_exponents,
        ElementType.UINT8,
        module="exponential",
        change=Change(r"\* rest_\d;", "* 0;", count=4),
    ),
    "exponential: codes are cut": case(
        test_lane_components.test_exponents,
        ElementType.INT16,
        module="exponential",
        change=Change(r"\+ 26'h2000000;", "+ 0;", count=4),
    ),
    "exponential: what is beyond is a power like any other": case(
        test_lane_components.test_exponents,
        ElementType.INT16,
        module="exponential",
        change=Change(r"if \(beyond_\d\)", "if (1'b0)", count=4),
    ),
    "interpolation: halves are cut": case(
        test_lane_components.test_interpolated_rows,
        module="interpolate",
        change=Change(r"\+ \$signed\(9'h080\);", "+ 0;", count=4),
    ),
    "addition: bits of a term below the window are lost": case(
        test_vector_engine.test_what_is_below_the_window_of_the_addition_decides,
        False,
        module="lanes.add_residual",
        change=Change(r"(\{ 3'h0, term_significand_\d, 36'h0+ \}) & .*;", "0;", count=4),
    ),
    "addition: bits of a product below the window are lost": case(
        test_vector_engine.test_what_is_below_the_window_of_the_addition_decides,
        True,
        module="lanes.add_residual",
        change=Change(r"(\{ product_\d, 28'h0+ \}) & .*;", "0;", count=4),
    ),
    "addition: the sum is not clamped from above": case(
        test_lane_components.test_options_together,
        module="add_residual",
        change=Change(r"(sum_\d\)) > \$signed\(\\port\S+ \[31:16\]\);", r"\1 > 32767;", count=4),
    ),
    "addition: a lane that does not count has a result": case(
        test_lane_components.test_options_together,
        module="add_residual",
        change=Change(r"counts\[\d\] \? (limited_\d) : 16'h0000;", r"\1;", count=4),
    ),
    "narrow: halves are rounded up": case(
        test_lane_components.test_halves_are_rounded_to_even_by_the_output_shift,
        module="narrow",
        change=Change(r"= shifted & \S+ ;", "= shifted;", count=4),
    ),
    "reduction: the last lane is left out of sums": case(
        test_lane_components.test_reduction_of_any_number_of_lanes,
        8,
        change=Change(r"\$signed\(result__7\)", "0", count=3),
    ),
    "reduction: a lane that does not count is the greatest": case(
        test_lane_components.test_reduction_of_any_number_of_lanes,
        4,
        change=Change(r"value_counts\[\d\] \? (value__\d) : 32'd\d+;", r"\1;", count=16),
    ),
    "row delay: a row waits a cycle too long": case(
        test_lane_components.test_rows_wait_for_as_long_as_is_said,
        change=Change(r"- 1'h1;", "- 0;"),
    ),
}
