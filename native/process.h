// What the core keeps for the whole process.
#pragma once

#include "arena.h"
#include "pool.h"

namespace dynrnn {

struct ProcessState {
  Pool pool;
  ScratchCache scratch;
};

/// Made at first use and never destroyed, for threads still look at it when the process ends. After a fork the child
/// begins with a new one: the threads of the old one are not there, and its locks may be held by them.
ProcessState& process_state();

}  // namespace dynrnn
