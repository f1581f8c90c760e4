// A step program: what one time step of a recurrence computes for one row, split into a part before the recurrence
// (pre), the recurrence (step) and a part after it (post). Decoded from the array of integers that Python makes
// (engine/program.py) and validated completely, so that whoever holds a Program may run it without checks.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops.h"

namespace dynrnn {

using i64 = std::int64_t;

// Numbers shared with Python.
enum class BufferKind : std::int32_t { INPUT, OUTPUT, ROW, VEC, CONST, MAT, SAVED, CARRY, ACC, TILE, CHUNK, count_ };
inline constexpr const char* buffer_kind_names[] = {"INPUT", "OUTPUT", "ROW", "VEC",  "CONST", "MAT",
                                                    "SAVED", "CARRY",  "ACC", "TILE", "CHUNK"};
inline constexpr std::int32_t program_magic = 0x64796e72;
inline constexpr std::int32_t program_version = 1;
inline constexpr i64 header_words = 8;
inline constexpr i64 buffer_words = 6;
inline constexpr i64 instruction_words = 16;

// Of a SAVED buffer.
enum Access : std::int32_t { access_read = 0, access_write = 1, access_read_after_write = 2 };

enum Phase { phase_pre, phase_step, phase_post, phase_count };
inline constexpr const char* phase_names[] = {"pre", "step", "post"};

// Limits that keep every product of sizes below 2^62. No real program comes near them.
inline constexpr i64 max_cols = i64{1} << 24;
inline constexpr i64 max_buffers = i64{1} << 14;
inline constexpr i64 max_instructions = i64{1} << 16;

struct Buffer {
  BufferKind kind;
  i64 cols;
  i64 k;                // rows of a MAT
  std::int32_t access;  // of a SAVED
  double value;         // of a CONST
  bool used = false;    // by an instruction
  bool memory = false;  // of a ROW: looked up as a whole, not loaded
};

// Columns [off, off + cols) of a buffer; buf is -1 where an instruction leaves the operand out.
struct Operand {
  std::int32_t buf = -1;
  i64 off = 0;
  i64 cols = 0;
  bool present() const { return buf >= 0; }
};

struct Instruction {
  Op op;
  bool accumulate;  // of a matmul: add to dst
  Operand dst, a, b, c;
  std::uint32_t stream;  // of a noise
  std::int32_t into = -1;  // of a memory_additive_grad: a CARRY that takes the gradient of the memory
  OpClass cls() const { return op_info[static_cast<int>(op)].cls; }
};

// A matmul, or a longest run of other instructions, which work row by row and may be taken over a few rows at a time.
struct Segment {
  i64 begin, end;  // instructions of the phase
  bool matmul;
  i64 widest;  // columns of the widest operand of a run
};

struct Program {
  bool f64 = false;
  std::vector<Buffer> buffers;
  std::vector<Instruction> code[phase_count];
  std::vector<Segment> segments[phase_count];

  i64 element_size() const { return f64 ? 8 : 4; }
  i64 instruction_count() const;
  // Bytes of the matrices that one step of the recurrence multiplies by; the hint that a Schedule wants. No more than
  // makes few rows a team if there are row memories too, for only a team's products are shared.
  i64 step_weight_bytes() const;
  // Bytes of scratch that a tile of one row needs (TILE, CHUNK).
  i64 scratch_bytes_per_row() const;
};

// The program in `words`. Throws std::invalid_argument for anything that breaks a rule of the language.
Program decode_program(const std::int32_t* words, i64 count);

// Called by decode_program: throws std::invalid_argument unless every instruction is legal where it stands.
void validate(const Program& program);

// Elements from one row of scratch to the next: rows start on a cache line, except that narrow ones stand close, which
// lets an operation on all of them run as one long row.
i64 scratch_stride(i64 cols, i64 element_size);

}  // namespace dynrnn
