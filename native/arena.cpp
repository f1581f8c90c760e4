#include "arena.h"

#include <new>

#include "tuning.h"

namespace dynrnn {
namespace {

constexpr std::align_val_t alignment{64};

void release(char* data) { ::operator delete(data, alignment); }

}  // namespace

Scratch::~Scratch() { cache_->give_back({data_, size_}); }

Scratch ScratchCache::take(std::size_t size) {
  if (size == 0) size = 64;
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
      return Scratch(this, block.data, block.size);
    }
  }
  return Scratch(this, static_cast<char*>(::operator new(size, alignment)), size);
}

void ScratchCache::give_back(Block block) noexcept {
  constexpr auto limit = static_cast<std::size_t>(cached_scratch_bytes);
  constexpr std::size_t max_blocks = 32;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (block.size > limit) {
    release(block.data);
    return;
  }
  try {
    free_.push_back(block);
  } catch (const std::bad_alloc&) {
    release(block.data);
    return;
  }
  total_ += block.size;
  // The longest unused go first.
  while (total_ > limit || free_.size() > max_blocks) {
    total_ -= free_.front().size;
    release(free_.front().data);
    free_.erase(free_.begin());
  }
}

}  // namespace dynrnn
