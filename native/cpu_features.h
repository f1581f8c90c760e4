// Which vector instructions this machine can run, and which of the core's code paths to take.
//
// Plain C++: no Python, no torch.

#pragma once

#include <array>
#include <string>
#include <utility>

namespace dynrnn {

// A field is true when the processor has the instructions AND the operating system saves their registers, that is, when
// code using them may run. Fields of the other architectures are false.
struct CpuFeatures {
    bool avx2 = false;
    bool fma = false;
    bool avx512f = false;
    bool avx512bw = false;
    bool avx512dq = false;
    bool avx512vl = false;
    bool avx512_bf16 = false;
    bool neon = false;
};

// The code paths of the core, from the one that runs everywhere to the widest.
enum class Isa { portable, neon, avx2, avx512 };

// Every path with its public name, the widest first.
inline constexpr std::array<std::pair<Isa, const char*>, 4> kIsaNames{{
    {Isa::avx512, "avx512"},
    {Isa::avx2, "avx2"},
    {Isa::neon, "neon"},
    {Isa::portable, "portable"},
}};

// The features of the processor this runs on; detected once.
const CpuFeatures& cpu_features();

// Whether a machine with these features can run the path. "avx2" needs AVX2 and FMA; "avx512" needs those and AVX-512
// F, BW, DQ and VL; AVX512_BF16 is an extra that no path requires.
bool supports(const CpuFeatures& features, Isa isa);

// The path to take: the widest the features allow, or the one named by `requested` when it is not empty.
// Throws std::invalid_argument when `requested` is not the name of a path or the features lack it.
const char* choose_isa(const CpuFeatures& features, const std::string& requested);

}  // namespace dynrnn
