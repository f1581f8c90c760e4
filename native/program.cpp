// Decoding. What is checked here is the form: sizes of the array and the ranges of the numbers that say what follows.
// Whether the instructions make sense together is validate.cpp's question.

#include "program.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "tuning.h"

namespace dynrnn {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument("step program: " + what); }

std::string number(i64 value) { return std::to_string(value); }

Buffer decode_buffer(const std::int32_t* words, i64 index) {
  const std::string name = "buffer " + number(index);
  const std::int32_t kind = words[0];
  if (kind < 0 || kind >= static_cast<std::int32_t>(BufferKind::count_)) {
    fail(name + ": kind must be from 0 to " + number(static_cast<i64>(BufferKind::count_) - 1) + ", got " +
         number(kind));
  }
  Buffer buffer{};
  buffer.kind = static_cast<BufferKind>(kind);
  buffer.cols = words[1];
  buffer.k = words[2];
  buffer.access = words[3];
  if (buffer.cols < 0 || buffer.cols > max_cols) {
    fail(name + ": columns must be from 0 to " + number(max_cols) + ", got " + number(buffer.cols));
  }
  if (buffer.kind == BufferKind::MAT && (buffer.k < 0 || buffer.k > max_cols)) {
    fail(name + ": k must be from 0 to " + number(max_cols) + ", got " + number(buffer.k));
  }
  if (buffer.kind == BufferKind::SAVED && (buffer.access < access_read || buffer.access > access_read_after_write)) {
    fail(name + ": access must be 0, 1 or 2, got " + number(buffer.access));
  }
  if (buffer.kind == BufferKind::CONST) {
    if (buffer.cols != 1) fail(name + ": a CONST has 1 column, got " + number(buffer.cols));
    const std::uint64_t low = static_cast<std::uint32_t>(words[4]);
    const std::uint64_t high = static_cast<std::uint32_t>(words[5]);
    const std::uint64_t bits = (high << 32) | low;
    std::memcpy(&buffer.value, &bits, sizeof(bits));
  }
  return buffer;
}

Operand decode_operand(const std::int32_t* words, i64 buffer_count, const char* which, const std::string& name) {
  Operand operand{words[0], words[1], words[2]};
  if (operand.buf == -1) return Operand{};
  if (operand.buf < 0 || operand.buf >= buffer_count) {
    fail(name + ": buffer of " + which + " must be from -1 to " + number(buffer_count - 1) + ", got " +
         number(operand.buf));
  }
  return operand;
}

Instruction decode_instruction(const std::int32_t* words, i64 buffer_count, const std::string& name) {
  if (words[0] < 0 || words[0] >= op_count) {
    fail(name + ": operation must be from 0 to " + number(op_count - 1) + ", got " + number(words[0]));
  }
  Instruction instruction{};
  instruction.op = static_cast<Op>(words[0]);
  const std::int32_t flags = words[1];
  const std::int32_t allowed = instruction.op == Op::matmul ? 1 : 0;
  if ((flags & ~allowed) != 0) fail(name + ": flags must be 0 to " + number(allowed) + ", got " + number(flags));
  instruction.accumulate = (flags & 1) != 0;
  instruction.dst = decode_operand(words + 2, buffer_count, "dst", name);
  instruction.a = decode_operand(words + 5, buffer_count, "a", name);
  instruction.b = decode_operand(words + 8, buffer_count, "b", name);
  instruction.c = decode_operand(words + 11, buffer_count, "c", name);
  if (instruction.op == Op::noise) {
    if (words[14] < 0) fail(name + ": the stream of noise (extra0) must be 0 or more, got " + number(words[14]));
    instruction.stream = static_cast<std::uint32_t>(words[14]);
  }
  if (instruction.op == Op::memory_additive_grad) {
    if (words[14] < -1 || words[14] >= buffer_count) {
      fail(name + ": the buffer of the memory's gradient (extra0) must be from -1 to " + number(buffer_count - 1) +
           ", got " + number(words[14]));
    }
    instruction.into = words[14];
  }
  return instruction;
}

std::vector<Segment> cut_into_segments(const std::vector<Instruction>& code) {
  std::vector<Segment> segments;
  for (i64 i = 0; i < static_cast<i64>(code.size()); ++i) {
    const Instruction& instruction = code[static_cast<std::size_t>(i)];
    const bool matmul = instruction.op == Op::matmul;
    if (matmul || segments.empty() || segments.back().matmul) segments.push_back({i, i, matmul, 1});
    Segment& segment = segments.back();
    segment.end = i + 1;
    segment.widest = std::max({segment.widest, instruction.dst.cols, instruction.a.cols});
  }
  return segments;
}

}  // namespace

i64 Program::instruction_count() const {
  i64 count = 0;
  for (const auto& phase : code) count += static_cast<i64>(phase.size());
  return count;
}

i64 Program::step_weight_bytes() const {
  i64 bytes = 0;
  bool memories = false;
  for (const Instruction& instruction : code[phase_step]) {
    if (instruction.op == Op::matmul) bytes += instruction.a.cols * instruction.dst.cols * element_size();
    memories = memories || instruction.cls() == OpClass::MEMORY;
  }
  return memories ? std::min(bytes, team_large_weight_bytes - 1) : bytes;
}

i64 Program::scratch_bytes_per_row() const {
  i64 bytes = 0;
  for (const Buffer& buffer : buffers) {
    if (buffer.kind == BufferKind::TILE || buffer.kind == BufferKind::CHUNK) {
      bytes += scratch_stride(buffer.cols, element_size()) * element_size();
    }
  }
  return bytes;
}

i64 scratch_stride(i64 cols, i64 element_size) {
  const i64 line = 64 / element_size;
  return cols <= line ? cols : (cols + line - 1) / line * line;
}

Program decode_program(const std::int32_t* words, i64 count) {
  if (count < header_words) fail("the header has " + number(header_words) + " words, got " + number(count));
  if (words[0] != program_magic) fail("must begin with " + number(program_magic) + ", got " + number(words[0]));
  if (words[1] != program_version) fail("version must be " + number(program_version) + ", got " + number(words[1]));
  if (words[2] != 0 && words[2] != 1) fail("dtype must be 0 (float32) or 1 (float64), got " + number(words[2]));
  if (words[7] != 0) fail("word 7 of the header must be 0, got " + number(words[7]));
  const i64 buffer_count = words[3];
  if (buffer_count < 0 || buffer_count > max_buffers) {
    fail("the number of buffers must be from 0 to " + number(max_buffers) + ", got " + number(buffer_count));
  }
  i64 instruction_count = 0;
  for (int phase = 0; phase < phase_count; ++phase) {
    const i64 in_phase = words[4 + phase];
    if (in_phase < 0 || in_phase > max_instructions) {
      fail(std::string("the number of instructions of phase ") + phase_names[phase] + " must be from 0 to " +
           number(max_instructions) + ", got " + number(in_phase));
    }
    instruction_count += in_phase;
  }
  const i64 expected = header_words + buffer_words * buffer_count + instruction_words * instruction_count;
  if (count != expected) {
    fail(number(buffer_count) + " buffers and " + number(instruction_count) + " instructions are " + number(expected) +
         " words, got " + number(count));
  }

  Program program;
  program.f64 = words[2] == 1;
  const std::int32_t* next = words + header_words;
  for (i64 i = 0; i < buffer_count; ++i, next += buffer_words) program.buffers.push_back(decode_buffer(next, i));
  for (int phase = 0; phase < phase_count; ++phase) {
    for (i64 i = 0; i < words[4 + phase]; ++i, next += instruction_words) {
      const std::string name = std::string(phase_names[phase]) + " instruction " + number(i);
      program.code[phase].push_back(decode_instruction(next, buffer_count, name));
    }
  }
  validate(program);
  for (int phase = 0; phase < phase_count; ++phase) {
    for (const Instruction& instruction : program.code[phase]) {
      for (const Operand* operand : {&instruction.dst, &instruction.a, &instruction.b, &instruction.c}) {
        if (operand->present()) program.buffers[static_cast<std::size_t>(operand->buf)].used = true;
      }
      if (instruction.cls() == OpClass::MEMORY) {
        program.buffers[static_cast<std::size_t>(instruction.b.buf)].memory = true;
        if (instruction.into >= 0) program.buffers[static_cast<std::size_t>(instruction.into)].used = true;
      }
    }
    program.segments[phase] = cut_into_segments(program.code[phase]);
  }
  return program;
}

}  // namespace dynrnn
