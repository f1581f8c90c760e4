#include "process.h"

#include <atomic>

#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace dynrnn {
namespace {

std::atomic<ProcessState*> current{nullptr};

#if !defined(_WIN32)
// The parent's state stays where it is, unused and unreachable but for this: so a leak checker has nothing to say.
std::atomic<ProcessState*> abandoned{nullptr};

void forget_in_child() { abandoned.store(current.exchange(nullptr)); }

// Registered when the library is loaded.
const int registered = pthread_atfork(nullptr, nullptr, &forget_in_child);
#endif

}  // namespace

ProcessState& process_state() {
#if !defined(_WIN32)
  static_cast<void>(registered);
#endif
  ProcessState* state = current.load(std::memory_order_acquire);
  if (state != nullptr) return *state;
  auto* made = new ProcessState;
  if (current.compare_exchange_strong(state, made, std::memory_order_acq_rel)) return *made;
  delete made;  // another thread was first
  return *state;
}

}  // namespace dynrnn
