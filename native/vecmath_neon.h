// What vecmath.h needs of 64-bit Arm beyond arithmetic: comparisons, selection, rounding, the bits of a number. Written
// without such a machine at hand, like simd_neon.h.
#pragma once

#include <cstdint>

#include "simd_neon.h"

namespace dynrnn {
namespace DYNRNN_ISA_NS {

/// One truth value for each lane: all bits set or none.
template <class T>
struct Mask;

/// The lanes' bits as unsigned integers of the same size.
template <class T>
struct Bits;

template <>
struct Mask<float> {
  uint32x4_t m;
  friend Mask operator&(Mask a, Mask b) { return {vandq_u32(a.m, b.m)}; }
  friend Mask operator|(Mask a, Mask b) { return {vorrq_u32(a.m, b.m)}; }
  friend Mask operator!(Mask a) { return {vmvnq_u32(a.m)}; }
};

template <>
struct Mask<double> {
  uint64x2_t m;
  friend Mask operator&(Mask a, Mask b) { return {vandq_u64(a.m, b.m)}; }
  friend Mask operator|(Mask a, Mask b) { return {vorrq_u64(a.m, b.m)}; }
  friend Mask operator!(Mask a) { return {veorq_u64(a.m, vdupq_n_u64(~std::uint64_t{0}))}; }
};

template <>
struct Bits<float> {
  uint32x4_t v;
  static Bits set1(std::uint32_t x) { return {vdupq_n_u32(x)}; }
  static Bits load(const std::uint32_t* p) { return {vld1q_u32(p)}; }
  void store(std::uint32_t* p) const { vst1q_u32(p, v); }
  friend Bits operator&(Bits a, Bits b) { return {vandq_u32(a.v, b.v)}; }
  friend Bits operator|(Bits a, Bits b) { return {vorrq_u32(a.v, b.v)}; }
  friend Bits operator^(Bits a, Bits b) { return {veorq_u32(a.v, b.v)}; }
  friend Bits operator+(Bits a, Bits b) { return {vaddq_u32(a.v, b.v)}; }
  friend Bits operator-(Bits a, Bits b) { return {vsubq_u32(a.v, b.v)}; }
  template <int k>
  Bits shl() const {
    return {vshlq_n_u32(v, k)};
  }
  template <int k>
  Bits shr() const {
    return {vshrq_n_u32(v, k)};
  }
};

template <>
struct Bits<double> {
  uint64x2_t v;
  static Bits set1(std::uint64_t x) { return {vdupq_n_u64(x)}; }
  friend Bits operator&(Bits a, Bits b) { return {vandq_u64(a.v, b.v)}; }
  friend Bits operator|(Bits a, Bits b) { return {vorrq_u64(a.v, b.v)}; }
  friend Bits operator^(Bits a, Bits b) { return {veorq_u64(a.v, b.v)}; }
  friend Bits operator+(Bits a, Bits b) { return {vaddq_u64(a.v, b.v)}; }
  friend Bits operator-(Bits a, Bits b) { return {vsubq_u64(a.v, b.v)}; }
  template <int k>
  Bits shl() const {
    return {vshlq_n_u64(v, k)};
  }
  template <int k>
  Bits shr() const {
    return {vshrq_n_u64(v, k)};
  }
};

static inline Bits<float> bits(Vec<float> a) { return {vreinterpretq_u32_f32(a.v)}; }
static inline Bits<double> bits(Vec<double> a) { return {vreinterpretq_u64_f64(a.v)}; }
static inline Vec<float> from_bits(Bits<float> a) { return {vreinterpretq_f32_u32(a.v)}; }
static inline Vec<double> from_bits(Bits<double> a) { return {vreinterpretq_f64_u64(a.v)}; }

using VecF = Vec<float>;
using VecD = Vec<double>;

// A comparison with NaN is false.
static inline Mask<float> lt(VecF a, VecF b) { return {vcltq_f32(a.v, b.v)}; }
static inline Mask<double> lt(VecD a, VecD b) { return {vcltq_f64(a.v, b.v)}; }
static inline Mask<float> le(VecF a, VecF b) { return {vcleq_f32(a.v, b.v)}; }
static inline Mask<double> le(VecD a, VecD b) { return {vcleq_f64(a.v, b.v)}; }
static inline Mask<float> eq(VecF a, VecF b) { return {vceqq_f32(a.v, b.v)}; }
static inline Mask<double> eq(VecD a, VecD b) { return {vceqq_f64(a.v, b.v)}; }

/// m ? a : b
static inline VecF select(Mask<float> m, VecF a, VecF b) { return {vbslq_f32(m.m, a.v, b.v)}; }
static inline VecD select(Mask<double> m, VecD a, VecD b) { return {vbslq_f64(m.m, a.v, b.v)}; }

// a < b ? a : b and a > b ? a : b: the second one where either is NaN or both are zeros (vminq and vmaxq differ there).
static inline VecF min2(VecF a, VecF b) { return select(lt(a, b), a, b); }
static inline VecD min2(VecD a, VecD b) { return select(lt(a, b), a, b); }
static inline VecF max2(VecF a, VecF b) { return select(lt(b, a), a, b); }
static inline VecD max2(VecD a, VecD b) { return select(lt(b, a), a, b); }

static inline VecF sqrt(VecF a) { return {vsqrtq_f32(a.v)}; }
static inline VecD sqrt(VecD a) { return {vsqrtq_f64(a.v)}; }
static inline VecF floor(VecF a) { return {vrndmq_f32(a.v)}; }
static inline VecD floor(VecD a) { return {vrndmq_f64(a.v)}; }
static inline VecF ceil(VecF a) { return {vrndpq_f32(a.v)}; }
static inline VecD ceil(VecD a) { return {vrndpq_f64(a.v)}; }
static inline VecF trunc(VecF a) { return {vrndq_f32(a.v)}; }
static inline VecD trunc(VecD a) { return {vrndq_f64(a.v)}; }
static inline VecF round_even(VecF a) { return {vrndnq_f32(a.v)}; }
static inline VecD round_even(VecD a) { return {vrndnq_f64(a.v)}; }

/// Elements in double: p[0 .. lanes), and the first n with zeros behind them.
static inline VecD load_double(const float* p) { return {vcvt_f64_f32(vld1_f32(p))}; }
static inline VecD load_double_n(const float* p, int n) { return {vcvt_f64_f32(vget_low_f32(VecF::load_n(p, n).v))}; }

/// Both halves of the products of 32 bit numbers.
static inline void multiply(Bits<float> a, Bits<float> b, Bits<float>& high, Bits<float>& low) {
  const uint32x4_t first = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a.v), vget_low_u32(b.v)));
  const uint32x4_t second = vreinterpretq_u32_u64(vmull_high_u32(a.v, b.v));
  low = {vuzp1q_u32(first, second)};
  high = {vuzp2q_u32(first, second)};
}

}  // namespace DYNRNN_ISA_NS
}  // namespace dynrnn

#define DYNRNN_NO_SCALE_INSTRUCTION 1
