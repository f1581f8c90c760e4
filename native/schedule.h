// Which thread computes which rows at which steps. Made once for a call from the lengths of its rows and used by the
// forward and the backward program, so that both agree on the order of what is saved in between.
//
// Rows are dealt to groups; a group runs its rows through all their steps without waiting for others. Sorted by length,
// the rows still alive at a step are the first ones of a group, so nothing is computed for padding. When few rows are
// left for each thread, the remaining steps form one group that all threads work on together (a team).
#pragma once

#include <cstdint>
#include <vector>

namespace dynrnn {

using i64 = std::int64_t;

struct Group {
  std::vector<i64> rows;     // longest first
  std::vector<i64> lengths;  // of these rows
  i64 t0, t1;                // steps [t0, t1); every row is longer than t0, the first has t1 steps or more
  bool team;
  i64 base;   // place of the first (step, row) in SAVED buffers: step by step, and row by row within a step
  i64 valid;  // number of (step, row)
};

// Groups that may run at the same time. Rounds run one after the other, from the last to the first in reverse.
using Round = std::vector<Group>;

enum class TeamChoice { automatic, never, always };

struct Schedule {
  std::vector<i64> lengths;  // by row
  i64 steps;
  int threads;
  std::vector<Round> rounds;
  i64 valid;             // sum of lengths
  i64 longest_group;     // rows
  i64 group_count;
};

/// weight_bytes: what the products of one step read (Program::step_weight_bytes), 0 when there are none.
/// Throws std::invalid_argument for a length outside [0, steps], fewer than 1 or more than 256 threads, or a sum of
/// lengths that is no int64.
Schedule make_schedule(std::vector<i64> lengths, i64 steps, i64 threads, i64 weight_bytes, TeamChoice team);

inline constexpr i64 max_threads = 256;
// The step is 32 bits of the counter that makes noise; rows likewise.
inline constexpr i64 max_steps = (i64{1} << 31) - 1;

}  // namespace dynrnn
