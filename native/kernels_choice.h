// Which code path to take.
#pragma once

#include <vector>

namespace dynrnn {

/// Names of the paths that this build has and this machine can run, the widest first; "portable" is always there.
std::vector<const char*> usable_isas();

/// The widest of them, or the one that the environment variable DYNRNN_ISA names. The variable is read at every call.
/// Throws std::invalid_argument when it names none, or one that cannot be used here.
const char* current_isa();

}  // namespace dynrnn
