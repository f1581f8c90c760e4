#include "arena.h"

#include <new>

#include "process.h"
#include "tuning.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace dynrnn {
namespace {

// From this size on memory is asked for in huge pages: a page fault for every 4 KB of what a training step stores takes
// as long as a tenth of the step.
constexpr std::size_t huge = std::size_t{1} << 21;

std::align_val_t alignment(std::size_t size) { return std::align_val_t{size >= huge ? huge : 64}; }

char* allocate(std::size_t size) {
  auto* const data = static_cast<char*>(::operator new(size, alignment(size)));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (size >= huge) madvise(data, size, MADV_HUGEPAGE);  // a wish: nothing depends on it
#endif
  return data;
}

void release(Block block) { ::operator delete(block.data, alignment(block.size)); }

}  // namespace

Scratch::~Scratch() { cache_->give_back({data_, size_}); }

Block take_block(std::size_t size) { return process_state().scratch.take_block(size); }

// The process may be a forked child of the one that took the block: its memory is the child's own all the same.
void release_block(Block block) noexcept { process_state().scratch.give_back(block); }

Block ScratchCache::take_block(std::size_t size) {
  if (size == 0) size = 64;
  if (size >= huge) size = (size + huge - 1) / huge * huge;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // The smallest that is large enough, unless it is much larger: that one may be wanted by somebody else.
    std::size_t best = free_.size();
    for (std::size_t i = 0; i < free_.size(); ++i) {
      if (free_[i].size < size || free_[i].size / 4 > size + (std::size_t{1} << 18)) continue;
      if (best == free_.size() || free_[i].size <= free_[best].size) best = i;
    }
    if (best < free_.size()) {
      const Block block = free_[best];
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(best));
      total_ -= block.size;
      unguard(block);
      return block;
    }
  }
  return {allocate(size), size};
}

void ScratchCache::give_back(Block block) noexcept {
  constexpr auto limit = static_cast<std::size_t>(cached_scratch_bytes);
  constexpr std::size_t max_blocks = 32;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (block.size > limit) {
    release(block);
    return;
  }
  try {
    free_.push_back(block);
  } catch (const std::bad_alloc&) {
    release(block);
    return;
  }
  total_ += block.size;
  // The longest unused go first.
  while (total_ > limit || free_.size() > max_blocks) {
    total_ -= free_.front().size;
    release(free_.front());
    free_.erase(free_.begin());
  }
}

}  // namespace dynrnn
