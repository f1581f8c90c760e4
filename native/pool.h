// Threads that live as long as the process and take part in calls.
#pragma once

#include <atomic>
#include <cstdint>

#include "schedule.h"
#include "waiting.h"

namespace dynrnn {

class Pool {
 public:
  using Function = void (*)(void* context, int participant) noexcept;

  /// Calls function(context, 0) in this thread and function(context, 1 .. n - 1) in those workers that come in time;
  /// returns when all calls that began have ended. A call must not depend on others being made: when the pool is busy
  /// with another caller's work, or workers are slow to wake, there are fewer or none.
  void run(int n, Function function, void* context);

  /// The entry point of a GNU OpenMP runtime that the host process already computes with: GOMP_parallel(fn, data,
  /// threads, flags), which calls fn(data) in this thread and in others and returns when all calls have ended.
  using Parallel = void (*)(void (*)(void*), void*, unsigned, unsigned);

  /// Lets the host's threads do the work instead of workers of this pool (null: workers again). Threads of an OpenMP
  /// runtime keep their core busy for a while after they have worked; threads of ours would then find no core.
  static void borrow(Parallel parallel);

 private:
  void grow(int workers);
  void work();

  std::atomic<bool> taken_{false};
  int workers_ = 0;

  // The job. Its fields are read by a worker only after it has claimed a place, which keeps the caller from ending it.
  Function function_ = nullptr;
  void* context_ = nullptr;
  int places_ = 0;
  std::uint32_t epoch_ = 0;
  std::atomic<std::uint64_t> open_{0};  // epoch in the upper half, places not yet claimed in the lower
  Signal posted_;                       // the epoch
  Signal ended_;                        // participants that have ended
};

/// The pool of this process. A forked child gets a new one, for only the forking thread lives on in it.
Pool& pool();

}  // namespace dynrnn
