// What vecmath.h needs of AVX-512 beyond arithmetic: comparisons, selection, rounding, the bits of a number.
#pragma once

#include <cstdint>

#include "simd_avx512.h"

// GCC 12 takes the undefined vector in its own intrinsics, which the full mask hides, for a mistake of the caller.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

namespace dynrnn {
namespace DYNRNN_ISA_NS {

/// One truth value for each lane.
template <class T>
struct Mask;

/// The lanes' bits as unsigned integers of the same size.
template <class T>
struct Bits;

template <>
struct Mask<float> {
  __mmask16 m;
  friend Mask operator&(Mask a, Mask b) { return {static_cast<__mmask16>(a.m & b.m)}; }
  friend Mask operator|(Mask a, Mask b) { return {static_cast<__mmask16>(a.m | b.m)}; }
  friend Mask operator!(Mask a) { return {static_cast<__mmask16>(~a.m)}; }
};

template <>
struct Mask<double> {
  __mmask8 m;
  friend Mask operator&(Mask a, Mask b) { return {static_cast<__mmask8>(a.m & b.m)}; }
  friend Mask operator|(Mask a, Mask b) { return {static_cast<__mmask8>(a.m | b.m)}; }
  friend Mask operator!(Mask a) { return {static_cast<__mmask8>(~a.m)}; }
};

template <>
struct Bits<float> {
  __m512i v;
  static Bits set1(std::uint32_t x) { return {_mm512_set1_epi32(static_cast<int>(x))}; }
  static Bits load(const std::uint32_t* p) { return {_mm512_loadu_si512(p)}; }
  void store(std::uint32_t* p) const { _mm512_storeu_si512(p, v); }
  friend Bits operator&(Bits a, Bits b) { return {_mm512_and_si512(a.v, b.v)}; }
  friend Bits operator|(Bits a, Bits b) { return {_mm512_or_si512(a.v, b.v)}; }
  friend Bits operator^(Bits a, Bits b) { return {_mm512_xor_si512(a.v, b.v)}; }
  friend Bits operator+(Bits a, Bits b) { return {_mm512_add_epi32(a.v, b.v)}; }
  friend Bits operator-(Bits a, Bits b) { return {_mm512_sub_epi32(a.v, b.v)}; }
  template <int k>
  Bits shl() const {
    return {_mm512_slli_epi32(v, k)};
  }
  template <int k>
  Bits shr() const {
    return {_mm512_srli_epi32(v, k)};
  }
};

template <>
struct Bits<double> {
  __m512i v;
  static Bits set1(std::uint64_t x) { return {_mm512_set1_epi64(static_cast<long long>(x))}; }
  friend Bits operator&(Bits a, Bits b) { return {_mm512_and_si512(a.v, b.v)}; }
  friend Bits operator|(Bits a, Bits b) { return {_mm512_or_si512(a.v, b.v)}; }
  friend Bits operator^(Bits a, Bits b) { return {_mm512_xor_si512(a.v, b.v)}; }
  friend Bits operator+(Bits a, Bits b) { return {_mm512_add_epi64(a.v, b.v)}; }
  friend Bits operator-(Bits a, Bits b) { return {_mm512_sub_epi64(a.v, b.v)}; }
  template <int k>
  Bits shl() const {
    return {_mm512_slli_epi64(v, k)};
  }
  template <int k>
  Bits shr() const {
    return {_mm512_srli_epi64(v, k)};
  }
};

static inline Bits<float> bits(Vec<float> a) { return {_mm512_castps_si512(a.v)}; }
static inline Bits<double> bits(Vec<double> a) { return {_mm512_castpd_si512(a.v)}; }
static inline Vec<float> from_bits(Bits<float> a) { return {_mm512_castsi512_ps(a.v)}; }
static inline Vec<double> from_bits(Bits<double> a) { return {_mm512_castsi512_pd(a.v)}; }

using VecF = Vec<float>;
using VecD = Vec<double>;

// A comparison with NaN is false.
static inline Mask<float> lt(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
static inline Mask<double> lt(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LT_OQ)}; }
static inline Mask<float> le(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ)}; }
static inline Mask<double> le(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ)}; }
static inline Mask<float> eq(VecF a, VecF b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
static inline Mask<double> eq(VecD a, VecD b) { return {_mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ)}; }

/// m ? a : b
static inline VecF select(Mask<float> m, VecF a, VecF b) { return {_mm512_mask_blend_ps(m.m, b.v, a.v)}; }
static inline VecD select(Mask<double> m, VecD a, VecD b) { return {_mm512_mask_blend_pd(m.m, b.v, a.v)}; }

// a < b ? a : b and a > b ? a : b: the second one where either is NaN or both are zeros.
static inline VecF min2(VecF a, VecF b) { return {_mm512_min_ps(a.v, b.v)}; }
static inline VecD min2(VecD a, VecD b) { return {_mm512_min_pd(a.v, b.v)}; }
static inline VecF max2(VecF a, VecF b) { return {_mm512_max_ps(a.v, b.v)}; }
static inline VecD max2(VecD a, VecD b) { return {_mm512_max_pd(a.v, b.v)}; }

static inline VecF sqrt(VecF a) { return {_mm512_sqrt_ps(a.v)}; }
static inline VecD sqrt(VecD a) { return {_mm512_sqrt_pd(a.v)}; }
static constexpr int kDown = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
static constexpr int kUp = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
static constexpr int kToZero = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
static constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
static inline VecF floor(VecF a) { return {_mm512_roundscale_ps(a.v, kDown)}; }
static inline VecD floor(VecD a) { return {_mm512_roundscale_pd(a.v, kDown)}; }
static inline VecF ceil(VecF a) { return {_mm512_roundscale_ps(a.v, kUp)}; }
static inline VecD ceil(VecD a) { return {_mm512_roundscale_pd(a.v, kUp)}; }
static inline VecF trunc(VecF a) { return {_mm512_roundscale_ps(a.v, kToZero)}; }
static inline VecD trunc(VecD a) { return {_mm512_roundscale_pd(a.v, kToZero)}; }
static inline VecF round_even(VecF a) { return {_mm512_roundscale_ps(a.v, kNearest)}; }
static inline VecD round_even(VecD a) { return {_mm512_roundscale_pd(a.v, kNearest)}; }

/// Elements in double: p[0 .. lanes), and the first n with zeros behind them.
static inline VecD load_double(const float* p) { return {_mm512_cvtps_pd(_mm256_loadu_ps(p))}; }
static inline VecD load_double_n(const float* p, int n) {
  return {_mm512_cvtps_pd(_mm512_castps512_ps256(VecF::load_n(p, n).v))};
}

/// Both halves of the products of 32 bit numbers.
static inline void multiply(Bits<float> a, Bits<float> b, Bits<float>& high, Bits<float>& low) {
  const __m512i even = _mm512_mul_epu32(a.v, b.v);
  const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), _mm512_srli_epi64(b.v, 32));
  high = {_mm512_mask_mov_epi32(_mm512_srli_epi64(even, 32), 0xaaaa, odd)};
  low = {_mm512_mask_mov_epi32(even, 0xaaaa, _mm512_slli_epi64(odd, 32))};
}

/// a * 2^n for a whole n (`shifted` is n + 1.5 * 2^23 or 2^52); rounded once where the result is denormal.
static inline VecF scale(VecF a, VecF n, VecF) { return {_mm512_scalef_ps(a.v, n.v)}; }
static inline VecD scale(VecD a, VecD n, VecD) { return {_mm512_scalef_pd(a.v, n.v)}; }

}  // namespace DYNRNN_ISA_NS
}  // namespace dynrnn

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
