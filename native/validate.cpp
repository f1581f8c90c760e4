// The rules of the language of step programs. After `validate` has returned, running the program reads and writes
// columns of its buffers only, never scratch that was not written, and no operation has operands that overlap in a way
// its kernel does not expect.

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "program.h"

namespace dynrnn {
namespace {

std::string number(i64 value) { return std::to_string(value); }

/// A set of columns, as disjoint intervals in order.
class Columns {
 public:
  void add(i64 begin, i64 end) {
    if (begin >= end) return;
    auto first = std::lower_bound(intervals_.begin(), intervals_.end(), begin,
                                  [](const Interval& interval, i64 value) { return interval.second < value; });
    auto last = first;
    for (; last != intervals_.end() && last->first <= end; ++last) {
      begin = std::min(begin, last->first);
      end = std::max(end, last->second);
    }
    intervals_.insert(intervals_.erase(first, last), {begin, end});
  }
  bool contains(i64 begin, i64 end) const {
    if (begin >= end) return true;
    const auto found = std::lower_bound(intervals_.begin(), intervals_.end(), begin,
                                        [](const Interval& interval, i64 value) { return interval.second <= value; });
    return found != intervals_.end() && found->first <= begin && end <= found->second;
  }

 private:
  using Interval = std::pair<i64, i64>;
  std::vector<Interval> intervals_;
};

bool overlap(const Operand& x, const Operand& y) {
  return x.present() && x.buf == y.buf && x.off < y.off + y.cols && y.off < x.off + x.cols;
}

bool same(const Operand& x, const Operand& y) { return x.buf == y.buf && x.off == y.off && x.cols == y.cols; }

class Validator {
 public:
  explicit Validator(const Program& program)
      : program_(program), written_(program.buffers.size()), tile_phase_(program.buffers.size(), -1) {}

  void run() {
    for (phase_ = 0; phase_ < phase_count; ++phase_) {
      const auto& code = program_.code[phase_];
      for (index_ = 0; index_ < static_cast<i64>(code.size()); ++index_) {
        instruction_ = &code[static_cast<std::size_t>(index_)];
        check();
      }
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::invalid_argument(std::string("step program, ") + phase_names[phase_] + " instruction " + number(index_) +
                                " (" + op_info[static_cast<int>(instruction_->op)].name + "): " + what);
  }

  const Buffer& buffer(const Operand& operand) const { return program_.buffers[static_cast<std::size_t>(operand.buf)]; }

  std::string show(const Operand& operand) const {
    const char* kind = buffer_kind_names[static_cast<int>(buffer(operand).kind)];
    return std::string(kind) + " buffer " + number(operand.buf) + " [" + number(operand.off) + ", " +
           number(operand.off + operand.cols) + ")";
  }

  void absent(const Operand& operand, const char* which) const {
    if (operand.present()) fail(std::string("has no operand ") + which + ", got buffer " + number(operand.buf));
  }

  void in_range(const Operand& operand, const char* which) const {
    if (!operand.present()) fail(std::string("operand ") + which + " is missing");
    if (operand.off < 0 || operand.cols < 0 || operand.off + operand.cols > buffer(operand).cols) {
      fail(std::string("operand ") + which + " must lie within the " + number(buffer(operand).cols) +
           " columns of buffer " + number(operand.buf) + ", got " + show(operand));
    }
  }

  void kind_is(const Operand& operand, const char* which, BufferKind kind) const {
    if (buffer(operand).kind != kind) {
      fail(std::string("operand ") + which + " must be in a buffer of kind " +
           buffer_kind_names[static_cast<int>(kind)] + ", got " + show(operand));
    }
  }

  // A TILE belongs to one phase; the state is the recurrence's alone.
  void in_phase(const Operand& operand) {
    const BufferKind kind = buffer(operand).kind;
    if (kind == BufferKind::CARRY && phase_ != phase_step) fail(show(operand) + " may be used in phase step only");
    if (kind != BufferKind::TILE) return;
    int& phase = tile_phase_[static_cast<std::size_t>(operand.buf)];
    if (phase == -1) phase = phase_;
    if (phase != phase_) {
      fail(show(operand) + " is used in phase " + phase_names[phase] + " already, a TILE is used in one phase only");
    }
  }

  void written_before(const Operand& operand) const {
    const Buffer& source = buffer(operand);
    if (source.kind == BufferKind::SAVED) {
      if (source.access == access_read) return;
      if (source.access == access_write) fail(show(operand) + " is write-only and cannot be read");
    } else if (source.kind != BufferKind::TILE && source.kind != BufferKind::CHUNK) {
      return;
    }
    if (!written_[static_cast<std::size_t>(operand.buf)].contains(operand.off, operand.off + operand.cols)) {
      fail(show(operand) + " is read before it is written");
    }
  }

  // A row-wise source, or with `fixed` also one that is the same for all rows.
  void source(const Operand& operand, const char* which, bool fixed) {
    in_range(operand, which);
    switch (buffer(operand).kind) {
      case BufferKind::SAVED:
      case BufferKind::CARRY:
      case BufferKind::TILE:
      case BufferKind::CHUNK:
        break;
      case BufferKind::VEC:
      case BufferKind::CONST:
        if (fixed) break;
        [[fallthrough]];
      default:
        fail(std::string("operand ") + which + " cannot be read by this operation: " + show(operand));
    }
    in_phase(operand);
    written_before(operand);
  }

  // As `source`, with as many columns as dst has or one that counts for all.
  void spread_source(const Operand& operand, const char* which) {
    source(operand, which, true);
    spreads(operand, which);
  }

  void spreads(const Operand& operand, const char* which) const {
    const i64 cols = instruction_->dst.cols;
    if (operand.cols == cols || (operand.cols == 1 && cols > 1)) return;
    fail(std::string("operand ") + which + " must have the " + number(cols) + " columns of dst or 1, got " +
         show(operand));
  }

  void has_cols(const Operand& operand, const char* which, i64 cols) const {
    if (operand.cols != cols) {
      fail(std::string("operand ") + which + " must have " + number(cols) + " columns, got " + show(operand));
    }
  }

  // A row-wise value that the instruction makes. Not marked as written: the sources are to be checked first.
  void destination() {
    const Operand& dst = instruction_->dst;
    in_range(dst, "dst");
    const Buffer& target = buffer(dst);
    switch (target.kind) {
      case BufferKind::SAVED:
        if (target.access == access_read) fail(show(dst) + " is read-only and cannot be written");
        break;
      case BufferKind::CARRY:
      case BufferKind::TILE:
      case BufferKind::CHUNK:
        break;
      default:
        fail("operand dst cannot be written by this operation: " + show(dst));
    }
    in_phase(dst);
  }

  void mark_written() {
    const Operand& dst = instruction_->dst;
    written_[static_cast<std::size_t>(dst.buf)].add(dst.off, dst.off + dst.cols);
  }

  void apart(const Operand& operand, const char* which) const {
    if (overlap(instruction_->dst, operand)) {
      fail("dst " + show(instruction_->dst) + " overlaps operand " + which + ", " + show(operand));
    }
  }

  void apart_or_same(const Operand& operand, const char* which) const {
    if (!same(instruction_->dst, operand)) apart(operand, which);
  }

  void check() {
    const Instruction& in = *instruction_;
    switch (in.cls()) {
      case OpClass::MOVE:
        in.op == Op::load ? check_load() : check_store();
        break;
      case OpClass::MATMUL:
        check_matmul();
        break;
      case OpClass::POINTWISE:
        check_pointwise();
        break;
      case OpClass::REDUCE:
        destination();
        source(in.a, "a", false);
        absent(in.b, "b");
        absent(in.c, "c");
        has_cols(in.dst, "dst", 1);
        if (in.a.cols < 1) fail("operand a must have at least 1 column, got " + show(in.a));
        apart(in.a, "a");
        mark_written();
        break;
      case OpClass::ACCUMULATE:
        in_range(in.dst, "dst");
        kind_is(in.dst, "dst", BufferKind::ACC);
        spread_source(in.a, "a");
        if (in.b.present()) spread_source(in.b, "b");
        absent(in.c, "c");
        break;
      case OpClass::GENERATE:
        destination();
        absent(in.a, "a");
        absent(in.b, "b");
        absent(in.c, "c");
        if (in.op == Op::step_number) has_cols(in.dst, "dst", 1);
        mark_written();
        break;
      case OpClass::MEMORY:
        check_memory();
        break;
    }
  }

  void check_load() {
    const Instruction& in = *instruction_;
    destination();
    in_range(in.a, "a");
    if (buffer(in.a).kind != BufferKind::ROW) kind_is(in.a, "a", BufferKind::INPUT);
    spreads(in.a, "a");
    absent(in.b, "b");
    absent(in.c, "c");
    mark_written();
  }

  void check_store() {
    const Instruction& in = *instruction_;
    in_range(in.dst, "dst");
    kind_is(in.dst, "dst", BufferKind::OUTPUT);
    spread_source(in.a, "a");
    absent(in.b, "b");
    absent(in.c, "c");
  }

  void check_matmul() {
    const Instruction& in = *instruction_;
    destination();
    source(in.a, "a", false);
    in_range(in.b, "b");
    kind_is(in.b, "b", BufferKind::MAT);
    const Buffer& matrix = buffer(in.b);
    if (in.b.off != 0 || in.b.cols != matrix.cols) {
      fail("operand b must be all " + number(matrix.cols) + " columns of its matrix, got " + show(in.b));
    }
    has_cols(in.dst, "dst", matrix.cols);
    has_cols(in.a, "a", matrix.k);
    apart(in.a, "a");
    if (in.accumulate) written_before(in.dst);
    if (in.c.present()) {
      if (in.accumulate) fail("cannot both accumulate and add a bias, got " + show(in.c));
      in_range(in.c, "c");
      kind_is(in.c, "c", BufferKind::VEC);
      has_cols(in.c, "c", in.dst.cols);
    }
    mark_written();
  }

  // What is looked up are columns of a ROW; how many entries of which width they are, the other operands say.
  void check_memory() {
    const Instruction& in = *instruction_;
    destination();
    source(in.a, "a", false);
    apart(in.a, "a");
    in_range(in.b, "b");
    kind_is(in.b, "b", BufferKind::ROW);
    i64 entries = in.dst.cols;
    switch (in.op) {
      case Op::memory_additive:
        in_range(in.c, "c");
        kind_is(in.c, "c", BufferKind::VEC);
        has_cols(in.c, "c", in.a.cols);
        break;
      case Op::memory_additive_grad:
        source(in.c, "c", false);
        apart(in.c, "c");
        has_cols(in.dst, "dst", 2 * in.a.cols);
        entries = in.c.cols;
        break;
      default:
        absent(in.c, "c");
        break;
    }
    has_cols(in.b, "b", in.a.cols * entries);
    if (in.into >= 0) {
      const Buffer& into = program_.buffers[static_cast<std::size_t>(in.into)];
      const Operand whole{in.into, 0, into.cols};
      if (into.kind != BufferKind::CARRY || into.cols != in.b.cols) {
        fail("the memory's gradient must be a CARRY of " + number(in.b.cols) + " columns, got " + show(whole));
      }
      in_phase(whole);
      for (const Operand* operand : {&in.dst, &in.a, &in.c}) {
        if (operand->buf == in.into) fail("the memory's gradient is an operand too: " + show(*operand));
      }
    }
    mark_written();
  }

  void check_pointwise() {
    const Instruction& in = *instruction_;
    destination();
    const int arity = op_info[static_cast<int>(in.op)].arity;
    const Operand* operands[] = {&in.a, &in.b, &in.c};
    const char* names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; ++i) {
      if (i >= arity) {
        absent(*operands[i], names[i]);
        continue;
      }
      spread_source(*operands[i], names[i]);
      apart_or_same(*operands[i], names[i]);
    }
    mark_written();
  }

  const Program& program_;
  std::vector<Columns> written_;
  std::vector<int> tile_phase_;
  int phase_ = 0;
  i64 index_ = 0;
  const Instruction* instruction_ = nullptr;
};

}  // namespace

void validate(const Program& program) { Validator(program).run(); }

}  // namespace dynrnn
