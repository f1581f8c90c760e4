// Detection by the processor's own identification instruction. Register and bit numbers: Intel 64 and IA-32
// Architectures Software Developer's Manual, volume 2 (CPUID) and volume 1, section 13.3 (XCR0).

#include "cpu_features.h"

#include <cstdint>
#include <stdexcept>

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
#define DYNRNN_X86 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace dynrnn {
namespace {

#if defined(DYNRNN_X86)

struct Registers {
    std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

// All zero when the processor has no such leaf.
Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
    Registers r;
#if defined(_MSC_VER)
    int raw[4];
    __cpuid(raw, 0);
    if (static_cast<std::uint32_t>(raw[0]) < leaf) return r;
    __cpuidex(raw, static_cast<int>(leaf), static_cast<int>(subleaf));
    r.eax = static_cast<std::uint32_t>(raw[0]);
    r.ebx = static_cast<std::uint32_t>(raw[1]);
    r.ecx = static_cast<std::uint32_t>(raw[2]);
    r.edx = static_cast<std::uint32_t>(raw[3]);
#else
    __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
    return r;
}

// The register sets that the operating system saves. Only to be called when OSXSAVE is set: the instruction faults
// otherwise. Written in assembly because the intrinsic needs its file compiled for a newer processor.
std::uint64_t saved_registers() {
#if defined(_MSC_VER)
    return _xgetbv(0);
#else
    std::uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (static_cast<std::uint64_t>(high) << 32) | low;
#endif
}

constexpr bool bit(std::uint32_t word, int index) { return ((word >> index) & 1U) != 0; }

CpuFeatures detect() {
    CpuFeatures f;
    const Registers basic = cpuid(1, 0);
    const bool os_reports_registers = bit(basic.ecx, 27);
    if (!os_reports_registers) return f;

    constexpr std::uint64_t kAvxState = 0x06;     // XMM, YMM
    constexpr std::uint64_t kAvx512State = 0xe6;  // and the masks, the upper halves of ZMM0-15, ZMM16-31
    const std::uint64_t saved = saved_registers();
    const bool avx = bit(basic.ecx, 28) && (saved & kAvxState) == kAvxState;
    if (!avx) return f;
    const Registers extended = cpuid(7, 0);
    f.fma = bit(basic.ecx, 12);
    f.avx2 = bit(extended.ebx, 5);

    if ((saved & kAvx512State) != kAvx512State) return f;
    f.avx512f = bit(extended.ebx, 16);
    f.avx512dq = bit(extended.ebx, 17);
    f.avx512bw = bit(extended.ebx, 30);
    f.avx512vl = bit(extended.ebx, 31);
    const std::uint32_t last_subleaf = extended.eax;
    f.avx512_bf16 = f.avx512f && last_subleaf >= 1 && bit(cpuid(7, 1).eax, 5);
    return f;
}

#else

CpuFeatures detect() {
    CpuFeatures f;
#if defined(__aarch64__) || defined(_M_ARM64)
    f.neon = true;  // part of the base instruction set of 64-bit Arm
#endif
    return f;
}

#endif

std::string names_of_supported(const CpuFeatures& features) {
    std::string names;
    for (const auto& [isa, name] : kIsaNames) {
        if (!supports(features, isa)) continue;
        if (!names.empty()) names += ", ";
        names += name;
    }
    return names;
}

}  // namespace

const CpuFeatures& cpu_features() {
    static const CpuFeatures features = detect();
    return features;
}

bool supports(const CpuFeatures& f, Isa isa) {
    switch (isa) {
        case Isa::avx512:
            return f.avx512f && f.avx512bw && f.avx512dq && f.avx512vl && supports(f, Isa::avx2);
        case Isa::avx2:
            return f.avx2 && f.fma;
        case Isa::neon:
            return f.neon;
        case Isa::portable:
            return true;
    }
    return false;
}

const char* choose_isa(const CpuFeatures& features, const std::string& requested) {
    for (const auto& [isa, name] : kIsaNames) {
        const bool wanted = requested.empty() || requested == name;
        if (wanted && supports(features, isa)) return name;
        if (requested == name) {
            throw std::invalid_argument("DYNRNN_ISA must name instructions that this processor can run (" +
                                        names_of_supported(features) + "), got '" + requested + "', which it lacks");
        }
    }
    throw std::invalid_argument("DYNRNN_ISA must be avx512, avx2, neon or portable, got '" + requested + "'");
}

}  // namespace dynrnn
