// The operations of a step program, made from ops.def, which Python reads too.
#pragma once

#include <cstdint>

namespace dynrnn {

enum class OpClass : std::int32_t { MOVE, MATMUL, POINTWISE, REDUCE, ACCUMULATE, GENERATE, MEMORY };

enum class Op : std::int32_t {
#define OP(name, arity, cls) name,
#include "ops.def"
#undef OP
  count_
};

inline constexpr int op_count = static_cast<int>(Op::count_);

struct OpInfo {
  const char* name;
  int arity;  // row-wise sources; those an instruction may leave out (the second of acc_rows) are counted
  OpClass cls;
};

inline constexpr OpInfo op_info[op_count] = {
#define OP(name, arity, cls) {#name, arity, OpClass::cls},
#include "ops.def"
#undef OP
};

}  // namespace dynrnn
