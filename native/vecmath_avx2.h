// What vecmath.h needs of AVX2 beyond arithmetic: comparisons, selection, rounding, the bits of a number.
#pragma once

#include <cstdint>

#include "simd_avx2.h"

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
  __m256 m;
  friend Mask operator&(Mask a, Mask b) { return {_mm256_and_ps(a.m, b.m)}; }
  friend Mask operator|(Mask a, Mask b) { return {_mm256_or_ps(a.m, b.m)}; }
  friend Mask operator!(Mask a) { return {_mm256_xor_ps(a.m, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))}; }
};

template <>
struct Mask<double> {
  __m256d m;
  friend Mask operator&(Mask a, Mask b) { return {_mm256_and_pd(a.m, b.m)}; }
  friend Mask operator|(Mask a, Mask b) { return {_mm256_or_pd(a.m, b.m)}; }
  friend Mask operator!(Mask a) { return {_mm256_xor_pd(a.m, _mm256_castsi256_pd(_mm256_set1_epi32(-1)))}; }
};

template <>
struct Bits<float> {
  __m256i v;
  static Bits set1(std::uint32_t x) { return {_mm256_set1_epi32(static_cast<int>(x))}; }
  static Bits load(const std::uint32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  void store(std::uint32_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  friend Bits operator&(Bits a, Bits b) { return {_mm256_and_si256(a.v, b.v)}; }
  friend Bits operator|(Bits a, Bits b) { return {_mm256_or_si256(a.v, b.v)}; }
  friend Bits operator^(Bits a, Bits b) { return {_mm256_xor_si256(a.v, b.v)}; }
  friend Bits operator+(Bits a, Bits b) { return {_mm256_add_epi32(a.v, b.v)}; }
  friend Bits operator-(Bits a, Bits b) { return {_mm256_sub_epi32(a.v, b.v)}; }
  template <int k>
  Bits shl() const {
    return {_mm256_slli_epi32(v, k)};
  }
  template <int k>
  Bits shr() const {
    return {_mm256_srli_epi32(v, k)};
  }
};

template <>
struct Bits<double> {
  __m256i v;
  static Bits set1(std::uint64_t x) { return {_mm256_set1_epi64x(static_cast<long long>(x))}; }
  friend Bits operator&(Bits a, Bits b) { return {_mm256_and_si256(a.v, b.v)}; }
  friend Bits operator|(Bits a, Bits b) { return {_mm256_or_si256(a.v, b.v)}; }
  friend Bits operator^(Bits a, Bits b) { return {_mm256_xor_si256(a.v, b.v)}; }
  friend Bits operator+(Bits a, Bits b) { return {_mm256_add_epi64(a.v, b.v)}; }
  friend Bits operator-(Bits a, Bits b) { return {_mm256_sub_epi64(a.v, b.v)}; }
  template <int k>
  Bits shl() const {
    return {_mm256_slli_epi64(v, k)};
  }
  template <int k>
  Bits shr() const {
    return {_mm256_srli_epi64(v, k)};
  }
};

static inline Bits<float> bits(Vec<float> a) { return {_mm256_castps_si256(a.v)}; }
static inline Bits<double> bits(Vec<double> a) { return {_mm256_castpd_si256(a.v)}; }
static inline Vec<float> from_bits(Bits<float> a) { return {_mm256_castsi256_ps(a.v)}; }
static inline Vec<double> from_bits(Bits<double> a) { return {_mm256_castsi256_pd(a.v)}; }

using VecF = Vec<float>;
using VecD = Vec<double>;

// A comparison with NaN is false.
static inline Mask<float> lt(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
static inline Mask<double> lt(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LT_OQ)}; }
static inline Mask<float> le(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ)}; }
static inline Mask<double> le(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_LE_OQ)}; }
static inline Mask<float> eq(VecF a, VecF b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
static inline Mask<double> eq(VecD a, VecD b) { return {_mm256_cmp_pd(a.v, b.v, _CMP_EQ_OQ)}; }

/// m ? a : b
static inline VecF select(Mask<float> m, VecF a, VecF b) { return {_mm256_blendv_ps(b.v, a.v, m.m)}; }
static inline VecD select(Mask<double> m, VecD a, VecD b) { return {_mm256_blendv_pd(b.v, a.v, m.m)}; }

// a < b ? a : b and a > b ? a : b: the second one where either is NaN or both are zeros.
static inline VecF min2(VecF a, VecF b) { return {_mm256_min_ps(a.v, b.v)}; }
static inline VecD min2(VecD a, VecD b) { return {_mm256_min_pd(a.v, b.v)}; }
static inline VecF max2(VecF a, VecF b) { return {_mm256_max_ps(a.v, b.v)}; }
static inline VecD max2(VecD a, VecD b) { return {_mm256_max_pd(a.v, b.v)}; }

static inline VecF sqrt(VecF a) { return {_mm256_sqrt_ps(a.v)}; }
static inline VecD sqrt(VecD a) { return {_mm256_sqrt_pd(a.v)}; }
static constexpr int kDown = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
static constexpr int kUp = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
static constexpr int kToZero = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
static constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
static inline VecF floor(VecF a) { return {_mm256_round_ps(a.v, kDown)}; }
static inline VecD floor(VecD a) { return {_mm256_round_pd(a.v, kDown)}; }
static inline VecF ceil(VecF a) { return {_mm256_round_ps(a.v, kUp)}; }
static inline VecD ceil(VecD a) { return {_mm256_round_pd(a.v, kUp)}; }
static inline VecF trunc(VecF a) { return {_mm256_round_ps(a.v, kToZero)}; }
static inline VecD trunc(VecD a) { return {_mm256_round_pd(a.v, kToZero)}; }
static inline VecF round_even(VecF a) { return {_mm256_round_ps(a.v, kNearest)}; }
static inline VecD round_even(VecD a) { return {_mm256_round_pd(a.v, kNearest)}; }

/// Elements in double: p[0 .. lanes), and the first n with zeros behind them.
static inline VecD load_double(const float* p) { return {_mm256_cvtps_pd(_mm_loadu_ps(p))}; }
static inline VecD load_double_n(const float* p, int n) {
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(VecF::load_n(p, n).v))};
}

/// Both halves of the products of 32 bit numbers.
static inline void multiply(Bits<float> a, Bits<float> b, Bits<float>& high, Bits<float>& low) {
  const __m256i even = _mm256_mul_epu32(a.v, b.v);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), _mm256_srli_epi64(b.v, 32));
  high = {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa)};
  low = {_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa)};
}

}  // namespace DYNRNN_ISA_NS
}  // namespace dynrnn

#define DYNRNN_NO_SCALE_INSTRUCTION 1
