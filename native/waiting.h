// Waiting for another thread: look for a short while, then sleep.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#include <immintrin.h>
#endif

#include "tuning.h"

namespace dynrnn {

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
  _mm_pause();
#elif defined(__aarch64__) && !defined(_MSC_VER)
  __asm__ volatile("yield");
#endif
}

inline void yield_thread() { std::this_thread::yield(); }

/// A number that one thread changes and others wait for. Whoever changes it pays for a system call only when somebody
/// sleeps.
class Signal {
 public:
  std::uint32_t get() const { return value_.load(std::memory_order_acquire); }

  /// What was written before is seen by whoever sees the new value. Wakes at most `wake` sleepers.
  void set(std::uint32_t value, int wake) {
    value_.store(value, std::memory_order_seq_cst);
    notify(wake);
  }

  void add(std::uint32_t amount, int wake) {
    value_.fetch_add(amount, std::memory_order_seq_cst);
    notify(wake);
  }

  /// Returns the value once it differs from `old`.
  std::uint32_t wait_change(std::uint32_t old) {
    std::uint32_t value = get();
    if (value != old) return value;
    const auto end = std::chrono::steady_clock::now() + std::chrono::nanoseconds(spin_nanoseconds);
    do {
      for (int i = 0; i < 32; ++i) {
        cpu_relax();
        value = get();
        if (value != old) return value;
      }
    } while (std::chrono::steady_clock::now() < end);
    std::unique_lock<std::mutex> lock(mutex_);
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    // The value is read after the sleeper has made itself known, and the setter looks for sleepers after the value is
    // set: one of the two sees the other.
    while ((value = value_.load(std::memory_order_seq_cst)) == old) changed_.wait(lock);
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
    return value;
  }

 private:
  void notify(int wake) {
    if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
    // A sleeper holds the mutex from looking at the value until it sleeps.
    { const std::lock_guard<std::mutex> lock(mutex_); }
    const int sleeping = sleepers_.load(std::memory_order_relaxed);
    if (wake >= sleeping) {
      changed_.notify_all();
    } else {
      for (int i = 0; i < wake; ++i) changed_.notify_one();
    }
  }

  std::atomic<std::uint32_t> value_{0};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace dynrnn
