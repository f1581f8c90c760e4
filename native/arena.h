// Scratch memory of a call, kept for the next one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <cstring>

#include <sanitizer/asan_interface.h>
#endif

namespace dynrnn {

class ScratchCache;

/// Uninitialised memory, aligned to 64 bytes, that goes back to the cache it came from.
class Scratch {
 public:
  Scratch(ScratchCache* cache, char* data, std::size_t size) : cache_(cache), data_(data), size_(size) {}
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();
  char* data() const { return data_; }

 private:
  ScratchCache* cache_;
  char* data_;
  std::size_t size_;
};

/// Memory that leaves the core: taken from the cache of the process, and given back to it with `release_block`.
struct Block {
  char* data;
  std::size_t size;
};
/// Throws std::bad_alloc when there is not that much.
Block take_block(std::size_t size);
void release_block(Block block) noexcept;

/// Blocks not in use, in total no more than cached_scratch_bytes. Safe to use from several threads.
class ScratchCache {
 public:
  /// Throws std::bad_alloc when there is not that much.
  Scratch take(std::size_t size) {
    const Block block = take_block(size);
    return Scratch(this, block.data, block.size);
  }
  Block take_block(std::size_t size);
  void give_back(Block block) noexcept;

 private:
  std::mutex mutex_;
  std::vector<Block> free_;  // the one given back last at the end
  std::size_t total_ = 0;
};

// In a build with AddressSanitizer parts are kept apart by bytes that nobody may touch, and begin as NaN.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr std::size_t guard_bytes = 64;
inline void guard(char* part, std::size_t bytes, std::size_t taken) {
  if (part == nullptr) return;
  __asan_unpoison_memory_region(part, taken);
  std::memset(part, 0xff, bytes);
  __asan_poison_memory_region(part + bytes, taken - bytes);
}
/// A block that is used again may not be carved this time.
inline void unguard(const Block& block) { __asan_unpoison_memory_region(block.data, block.size); }
#else
inline constexpr std::size_t guard_bytes = 0;
inline void guard(char*, std::size_t, std::size_t) {}
inline void unguard(const Block&) {}
#endif

/// Hands out parts of a block one after the other, each aligned to 64 bytes. With a null block it only counts.
class Carver {
 public:
  explicit Carver(char* block) : block_(block) {}
  template <class T>
  T* take(std::int64_t count) {
    char* const part = block_ == nullptr ? nullptr : block_ + used_;
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    const std::size_t next = used_ + (bytes + guard_bytes + 63) / 64 * 64;
    guard(part, bytes, next - used_);
    used_ = next;
    return reinterpret_cast<T*>(part);
  }
  std::size_t used() const { return used_; }

 private:
  char* block_;
  std::size_t used_ = 0;
};

}  // namespace dynrnn
