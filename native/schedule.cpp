// Dealing: rows from the longest to the shortest, each to the group with the least to do so far (a step costs its live
// rows and a constant). Rows of equal length are then sorted out so that each group has neighbours: what they read lies
// close together.

#include "schedule.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <stdexcept>
#include <string>
#include <utility>

#include "tuning.h"

namespace dynrnn {
namespace {

[[noreturn]] void fail(const std::string& what) { throw std::invalid_argument("schedule: " + what); }

// Rows of `order` (longest first) and their first `steps` steps, dealt to `count` groups.
Round deal(const std::vector<i64>& order, const std::vector<i64>& lengths, i64 steps, i64 count) {
  using Load = std::pair<i64, i64>;  // what the group has to do, group
  std::priority_queue<Load, std::vector<Load>, std::greater<Load>> queue;
  for (i64 g = 0; g < count; ++g) queue.push({0, g});
  Round groups(static_cast<std::size_t>(count));
  std::vector<i64> share(static_cast<std::size_t>(count));
  const auto length = [&](std::size_t i) { return lengths[static_cast<std::size_t>(order[i])]; };
  for (std::size_t i = 0; i < order.size();) {
    std::size_t end = i;
    std::fill(share.begin(), share.end(), 0);
    for (; end < order.size() && length(end) == length(i); ++end) {
      auto [load, g] = queue.top();
      queue.pop();
      const i64 cost = std::min(length(i), steps);
      queue.push({load + cost + (load == 0 ? cost * step_overhead_rows : 0), g});
      ++share[static_cast<std::size_t>(g)];
    }
    for (std::size_t g = 0; g < share.size(); ++g) {
      for (; share[g] > 0; --share[g], ++i) {
        groups[g].rows.push_back(order[i]);
        groups[g].lengths.push_back(length(i));
      }
    }
  }
  return groups;
}

}  // namespace

Schedule make_schedule(std::vector<i64> lengths, i64 steps, i64 threads, i64 weight_bytes, TeamChoice team) {
  if (steps < 0 || steps > max_steps) {
    fail("steps must be from 0 to " + std::to_string(max_steps) + ", got " + std::to_string(steps));
  }
  if (threads < 1 || threads > max_threads) {
    fail("threads must be from 1 to " + std::to_string(max_threads) + ", got " + std::to_string(threads));
  }
  if (weight_bytes < 0) fail("weight_bytes must be 0 or more, got " + std::to_string(weight_bytes));
  if (static_cast<i64>(lengths.size()) > max_steps) {
    fail("at most " + std::to_string(max_steps) + " rows, got " + std::to_string(lengths.size()));
  }

  // 2^31 rows of 2^31 steps: the sum fits.
  i64 valid = 0;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    if (lengths[row] < 0 || lengths[row] > steps) {
      fail("lengths must be from 0 to the number of steps, " + std::to_string(steps) + ", got " +
           std::to_string(lengths[row]) + " for row " + std::to_string(row));
    }
    valid += lengths[row];
  }
  Schedule schedule{std::move(lengths), steps, static_cast<int>(threads), {}, valid, 0, 0};
  if (valid == 0) return schedule;

  std::vector<i64> order(schedule.lengths.size());
  std::iota(order.begin(), order.end(), i64{0});
  const auto length = [&](i64 row) { return schedule.lengths[static_cast<std::size_t>(row)]; };
  order.erase(std::remove_if(order.begin(), order.end(), [&](i64 row) { return length(row) == 0; }), order.end());
  std::stable_sort(order.begin(), order.end(), [&](i64 x, i64 y) { return length(x) > length(y); });
  const i64 rows = static_cast<i64>(order.size());
  const i64 longest = length(order[0]);

  // Waking threads costs more than a small call takes. Products of doubles so that nothing overflows.
  const bool small = static_cast<double>(valid) * static_cast<double>(std::max<i64>(weight_bytes, 4096)) <
                     static_cast<double>(serial_bytes);
  if (small && team == TeamChoice::automatic) threads = 1;

  // From step `team_from` on all threads work together.
  i64 team_from = longest;
  const bool worth = weight_bytes >= team_weight_bytes && threads > 1;
  if (team == TeamChoice::always || (team == TeamChoice::automatic && worth)) {
    i64 few = threads * team_rows_per_thread;
    if (weight_bytes >= team_large_weight_bytes) {
      few = std::max(few, std::min(threads * team_large_rows_per_thread, team_large_rows));
    }
    team_from = team == TeamChoice::always || rows <= few ? 0 : length(order[static_cast<std::size_t>(few)]);
  }

  if (team_from > 0) {
    // A multiple of the threads, so that all have as much to do.
    const i64 per_thread = (rows + threads * group_rows - 1) / (threads * group_rows);
    schedule.rounds.push_back(deal(order, schedule.lengths, team_from, std::min(rows, threads * per_thread)));
    for (Group& group : schedule.rounds.back()) {
      group.t0 = 0;
      group.t1 = std::min(group.lengths.front(), team_from);
      group.team = false;
    }
  }
  if (team_from < longest) {
    Group group{{}, {}, team_from, longest, true, 0, 0};
    for (const i64 row : order) {
      if (length(row) <= team_from) break;
      group.rows.push_back(row);
      group.lengths.push_back(length(row));
    }
    schedule.rounds.push_back({std::move(group)});
  }

  i64 base = 0;
  for (Round& round : schedule.rounds) {
    for (Group& group : round) {
      group.base = base;
      group.valid = 0;
      for (const i64 row_length : group.lengths) group.valid += std::min(row_length, group.t1) - group.t0;
      base += group.valid;
      schedule.longest_group = std::max(schedule.longest_group, static_cast<i64>(group.rows.size()));
      ++schedule.group_count;
    }
  }
  return schedule;
}

}  // namespace dynrnn
