#include "pool.h"

#include <system_error>
#include <thread>

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif

#include "process.h"

namespace dynrnn {
namespace {

constexpr std::uint64_t pack(std::uint32_t epoch, std::uint32_t places) {
  return (static_cast<std::uint64_t>(epoch) << 32) | places;
}

// Threads inherit the signal mask of whoever makes them. Signals are for the threads of the application.
class SignalsBlocked {
#if !defined(_WIN32)
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
#else
 public:
  SignalsBlocked() {}
#endif
};

std::atomic<Pool::Parallel> borrowed{nullptr};

// A job for borrowed threads. The thread that asks is participant 0, the others are numbered as they come.
struct Borrowed {
  Pool::Function function;
  void* context;
  std::thread::id caller;
  std::atomic<int> next{1};

  static void enter(void* self) noexcept {
    auto& job = *static_cast<Borrowed*>(self);
    const bool caller = std::this_thread::get_id() == job.caller;
    job.function(job.context, caller ? 0 : job.next.fetch_add(1, std::memory_order_relaxed));
  }
};

#if !defined(_WIN32)
// GNU OpenMP does not survive a fork: its threads are gone and it waits for them.
const int forgets = pthread_atfork(nullptr, nullptr, [] { borrowed.store(nullptr); });
#endif

}  // namespace

void Pool::borrow(Parallel parallel) {
#if !defined(_WIN32)
  static_cast<void>(forgets);
#endif
  borrowed.store(parallel);
}

Pool& pool() { return process_state().pool; }

void Pool::run(int n, Function function, void* context) {
  if (n > 1) {
    if (const Parallel parallel = borrowed.load(std::memory_order_acquire)) {
      Borrowed job{function, context, std::this_thread::get_id()};
      parallel(&Borrowed::enter, &job, static_cast<unsigned>(n), 0);
      return;
    }
  }
  if (n <= 1 || taken_.exchange(true, std::memory_order_acquire)) {
    function(context, 0);
    return;
  }
  grow(n - 1);
  function_ = function;
  context_ = context;
  places_ = n - 1;
  ended_.set(0, 0);
  ++epoch_;
  open_.store(pack(epoch_, static_cast<std::uint32_t>(n - 1)), std::memory_order_release);
  posted_.set(epoch_, n - 1);

  function(context, 0);

  // Nobody may begin from here on; those who have begun are waited for.
  const std::uint64_t left = open_.exchange(pack(epoch_, 0), std::memory_order_acq_rel);
  const std::uint32_t began = static_cast<std::uint32_t>(n - 1) - static_cast<std::uint32_t>(left);
  for (std::uint32_t ended = ended_.get(); ended != began;) ended = ended_.wait_change(ended);
  taken_.store(false, std::memory_order_release);
}

void Pool::grow(int workers) {
  const SignalsBlocked blocked;
  for (; workers_ < workers; ++workers_) {
    try {
      std::thread([this] { work(); }).detach();
    } catch (const std::system_error&) {
      return;  // The system gives no more threads: the work is done by those there are.
    }
  }
}

void Pool::work() {
  std::uint32_t epoch = 0;
  for (;;) {
    epoch = posted_.wait_change(epoch);
    std::uint64_t open = open_.load(std::memory_order_acquire);
    for (;;) {
      const auto places = static_cast<std::uint32_t>(open);
      if (static_cast<std::uint32_t>(open >> 32) != epoch || places == 0) break;
      if (!open_.compare_exchange_weak(open, open - 1, std::memory_order_acq_rel, std::memory_order_acquire)) continue;
      function_(context_, places_ - static_cast<int>(places) + 1);
      ended_.add(1, 1);
      break;
    }
  }
}

}  // namespace dynrnn
