// What vecmath.h needs beyond arithmetic, without intrinsics: comparisons, selection, rounding, the bits of a number.
#pragma once

#include <math.h>

#include <cstdint>
#include <cstring>

#include "simd_portable.h"

namespace dynrnn {
namespace DYNRNN_ISA_NS {

template <class T>
struct Integer;
template <>
struct Integer<float> {
  using Unsigned = std::uint32_t;
};
template <>
struct Integer<double> {
  using Unsigned = std::uint64_t;
};

/// The lanes' bits as unsigned integers of the same size.
template <class T>
struct Bits {
  using Unsigned = typename Integer<T>::Unsigned;
  static constexpr int lanes = Vec<T>::lanes;
#if defined(DYNRNN_PORTABLE_VECTORS)
  typedef Unsigned Raw __attribute__((vector_size(16)));
#else
  struct alignas(16) Raw {
    Unsigned element[lanes];
    Unsigned& operator[](int i) { return element[i]; }
    const Unsigned& operator[](int i) const { return element[i]; }
    friend Raw operator&(Raw a, Raw b) { return each(a, b, [](Unsigned x, Unsigned y) { return x & y; }); }
    friend Raw operator|(Raw a, Raw b) { return each(a, b, [](Unsigned x, Unsigned y) { return x | y; }); }
    friend Raw operator^(Raw a, Raw b) { return each(a, b, [](Unsigned x, Unsigned y) { return x ^ y; }); }
    friend Raw operator+(Raw a, Raw b) { return each(a, b, [](Unsigned x, Unsigned y) { return x + y; }); }
    friend Raw operator-(Raw a, Raw b) { return each(a, b, [](Unsigned x, Unsigned y) { return x - y; }); }
    friend Raw operator<<(Raw a, int k) { return each(a, a, [k](Unsigned x, Unsigned) { return x << k; }); }
    friend Raw operator>>(Raw a, int k) { return each(a, a, [k](Unsigned x, Unsigned) { return x >> k; }); }
    friend Raw operator~(Raw a) { return each(a, a, [](Unsigned x, Unsigned) { return ~x; }); }
    template <class Do>
    static Raw each(Raw a, Raw b, Do f) {
      for (int i = 0; i < lanes; ++i) a[i] = f(a[i], b[i]);
      return a;
    }
  };
#endif
  Raw v;

  static Bits set1(Unsigned x) {
    Bits r;
    for (int i = 0; i < lanes; ++i) r.v[i] = x;
    return r;
  }
  static Bits load(const Unsigned* p) {
    Bits r;
    std::memcpy(&r.v, p, sizeof(r.v));
    return r;
  }
  void store(Unsigned* p) const { std::memcpy(p, &v, sizeof(v)); }
  friend Bits operator&(Bits a, Bits b) { return {a.v & b.v}; }
  friend Bits operator|(Bits a, Bits b) { return {a.v | b.v}; }
  friend Bits operator^(Bits a, Bits b) { return {a.v ^ b.v}; }
  friend Bits operator+(Bits a, Bits b) { return {a.v + b.v}; }
  friend Bits operator-(Bits a, Bits b) { return {a.v - b.v}; }
  template <int k>
  Bits shl() const {
    return {v << k};
  }
  template <int k>
  Bits shr() const {
    return {v >> k};
  }
};

/// One truth value for each lane: all bits set or none.
template <class T>
struct Mask {
  typename Bits<T>::Raw m;
  friend Mask operator&(Mask a, Mask b) { return {a.m & b.m}; }
  friend Mask operator|(Mask a, Mask b) { return {a.m | b.m}; }
  friend Mask operator!(Mask a) { return {~a.m}; }
};

template <class T>
static inline Bits<T> bits(Vec<T> a) {
  Bits<T> r;
  std::memcpy(&r.v, &a.v, sizeof(r.v));
  return r;
}
template <class T>
static inline Vec<T> from_bits(Bits<T> a) {
  Vec<T> r;
  std::memcpy(&r.v, &a.v, sizeof(r.v));
  return r;
}

// A comparison with NaN is false.
#if defined(DYNRNN_PORTABLE_VECTORS)
#define DYNRNN_COMPARE(op) return {reinterpret_cast<typename Bits<T>::Raw>(a.v op b.v)};
#else
#define DYNRNN_COMPARE(op)                                                                                 \
  Mask<T> r;                                                                                               \
  for (int i = 0; i < Vec<T>::lanes; ++i) r.m[i] = a.v[i] op b.v[i] ? ~typename Bits<T>::Unsigned{0} : 0; \
  return r;
#endif
template <class T>
static inline Mask<T> lt(Vec<T> a, Vec<T> b) {
  DYNRNN_COMPARE(<)
}
template <class T>
static inline Mask<T> le(Vec<T> a, Vec<T> b) {
  DYNRNN_COMPARE(<=)
}
template <class T>
static inline Mask<T> eq(Vec<T> a, Vec<T> b) {
  DYNRNN_COMPARE(==)
}
#undef DYNRNN_COMPARE

/// m ? a : b
template <class T>
static inline Vec<T> select(Mask<T> m, Vec<T> a, Vec<T> b) {
  const Bits<T> x = bits(a), y = bits(b);
  return from_bits(Bits<T>{(x.v & m.m) | (y.v & ~m.m)});
}

/// a < b ? a : b: the second one where either is NaN or both are zeros.
template <class T>
static inline Vec<T> min2(Vec<T> a, Vec<T> b) {
  return select(lt(a, b), a, b);
}
/// a > b ? a : b, likewise.
template <class T>
static inline Vec<T> max2(Vec<T> a, Vec<T> b) {
  return select(lt(b, a), a, b);
}

// The C functions, not std::'s overloads: those may be inline functions that the linker shares with other files.
static inline float scalar_sqrt(float x) { return sqrtf(x); }
static inline double scalar_sqrt(double x) { return ::sqrt(x); }

template <class T>
static inline Vec<T> sqrt(Vec<T> a) {
  for (int i = 0; i < Vec<T>::lanes; ++i) a.v[i] = scalar_sqrt(a.v[i]);
  return a;
}

/// To the nearest whole number, ties to the even one: what is not whole is below 2^23 (2^52), and adding and
/// subtracting that number rounds it. The sign is kept for the zeros.
template <class T>
static inline Vec<T> round_even(Vec<T> a) {
  const Vec<T> whole = Vec<T>::set1(sizeof(T) == 4 ? T(8388608) : T(4503599627370496));
  const Bits<T> minus = bits(Vec<T>::set1(T(-0.0)));
  const Vec<T> size = from_bits(Bits<T>{bits(a).v & ~minus.v});
  const Vec<T> rounded = from_bits(bits((size + whole) - whole) | (bits(a) & minus));
  return select(lt(size, whole), rounded, a);
}
template <class T>
static inline Vec<T> floor(Vec<T> a) {
  const Vec<T> r = round_even(a);
  const Vec<T> down = select(lt(a, r), r - Vec<T>::set1(T(1)), r);
  return select(eq(a, r), a, down);
}
template <class T>
static inline Vec<T> ceil(Vec<T> a) {
  const Bits<T> minus = bits(Vec<T>::set1(T(-0.0)));
  return from_bits(bits(floor(from_bits(bits(a) ^ minus))) ^ minus);
}
template <class T>
static inline Vec<T> trunc(Vec<T> a) {
  const Bits<T> minus = bits(Vec<T>::set1(T(-0.0)));
  const Vec<T> size = from_bits(Bits<T>{bits(a).v & ~minus.v});
  return from_bits(bits(floor(size)) | (bits(a) & minus));
}

/// Elements in double: p[0 .. lanes), and the first n with zeros behind them.
static inline Vec<double> load_double(const float* p) {
  Vec<double> r;
  for (int i = 0; i < Vec<double>::lanes; ++i) r.v[i] = static_cast<double>(p[i]);
  return r;
}
static inline Vec<double> load_double_n(const float* p, int n) {
  Vec<double> r = Vec<double>::zero();
  for (int i = 0; i < n; ++i) r.v[i] = static_cast<double>(p[i]);
  return r;
}

/// Both halves of the products of 32 bit numbers.
static inline void multiply(Bits<float> a, Bits<float> b, Bits<float>& high, Bits<float>& low) {
  std::uint32_t x[Bits<float>::lanes], y[Bits<float>::lanes];
  a.store(x);
  b.store(y);
  for (int i = 0; i < Bits<float>::lanes; ++i) {
    const std::uint64_t product = std::uint64_t{x[i]} * y[i];
    x[i] = static_cast<std::uint32_t>(product >> 32);
    y[i] = static_cast<std::uint32_t>(product);
  }
  high = Bits<float>::load(x);
  low = Bits<float>::load(y);
}

}  // namespace DYNRNN_ISA_NS
}  // namespace dynrnn

#define DYNRNN_NO_SCALE_INSTRUCTION 1
