// The kernels of row memories: what a row looks up in a matrix [entries, width] of its own. Included after the path's
// simd header and pointwise_impl.h; kernels.h says what each does. All go through the memory once, entry by entry, with
// vectors along the width, so that each row's memory is read once a step.
#pragma once

#include "kernels.h"
#include "vecmath.h"

namespace dynrnn {
namespace DYNRNN_ISA_NS {

/// Up to a vector of elements from column c on: `part` is 0 for a whole vector.
template <class T>
static inline Vec<T> load_part(const T* p, int part) {
  return part == 0 ? Vec<T>::load(p) : Vec<T>::load_n(p, part);
}
template <class T>
static inline void store_part(T* p, Vec<T> x, int part) {
  if (part == 0) {
    x.store(p);
  } else {
    x.store_n(p, part);
  }
}

template <class T>
static inline T sum_of_lanes(Vec<T> v) {
  T x[Vec<T>::lanes];
  v.store(x);
  for (int n = Vec<T>::lanes / 2; n > 0; n /= 2) {
    for (int i = 0; i < n; ++i) x[i] += x[i + n];
  }
  return x[0];
}

/// f(c, part) for the vectors of `width` columns.
template <class T, class F>
static inline void for_vectors(i64 width, F f) {
  i64 c = 0;
  for (; c + Vec<T>::lanes <= width; c += Vec<T>::lanes) f(c, 0);
  if (c < width) f(c, static_cast<int>(width - c));
}

/// `count` entries at once, so that their sums do not wait for each other and the query is loaded once for all.
template <class T, int count>
static inline void dot_entries(T* dst, const T* a, const T* memory, i64 width) {
  using V = Vec<T>;
  V sum[count];
  for (int k = 0; k < count; ++k) sum[k] = V::zero();
  for_vectors<T>(width, [&](i64 c, int part) {
    const V x = load_part(a + c, part);
    for (int k = 0; k < count; ++k) sum[k] = fma(x, load_part(memory + k * width + c, part), sum[k]);
  });
  for (int k = 0; k < count; ++k) dst[k] = sum_of_lanes(sum[k]);
}

template <class T>
static void memory_dot(T* dst, const T* a, const T* memory, const T*, T*, i64 entries, i64 width) {
  i64 s = 0;
  for (; s + 8 <= entries; s += 8) dot_entries<T, 8>(dst + s, a, memory + s * width, width);
  for (; s < entries; ++s) dot_entries<T, 1>(dst + s, a, memory + s * width, width);
}

/// Columns of `count` vectors from c on.
template <class T, int count>
static inline void sum_columns(T* dst, const T* a, const T* memory, i64 entries, i64 width, i64 c, int part) {
  using V = Vec<T>;
  V sum[count];
  for (int k = 0; k < count; ++k) sum[k] = V::zero();
  const T* p = memory + c;
  for (i64 s = 0; s < entries; ++s, p += width) {
    const V x = V::set1(a[s]);
    for (int k = 0; k < count; ++k) sum[k] = fma(x, load_part(p + k * V::lanes, part), sum[k]);
  }
  for (int k = 0; k < count; ++k) store_part(dst + c + k * V::lanes, sum[k], part);
}

template <class T>
static void memory_sum(T* dst, const T* a, const T* memory, const T*, T*, i64 entries, i64 width) {
  constexpr int lanes = Vec<T>::lanes;
  i64 c = 0;
  for (; c + 8 * lanes <= width; c += 8 * lanes) sum_columns<T, 8>(dst, a, memory, entries, width, c, 0);
  for (; c + lanes <= width; c += lanes) sum_columns<T, 1>(dst, a, memory, entries, width, c, 0);
  if (c < width) sum_columns<T, 1>(dst, a, memory, entries, width, c, static_cast<int>(width - c));
}

/// The hyperbolic tangent where it is all there is to do: for float a quotient of polynomials, which takes half the time of
/// the general one and is off by at most 6 units in the last place instead of 2 (over the whole range; 1 may come out 2 units larger). The
/// polynomials are a minimax fit of tanh(x) / x in x^2 up to the point where tanh(x) rounds to 1.
static inline Vec<double> tanh_of(Vec<double> x) { return tanh(x); }
static inline Vec<float> tanh_of(Vec<float> x) {
  static constexpr float above[] = {1.0F, 0x1.120444p-3F, 0x1.c9f868p-9F, 0x1.595580p-16F, 0x1.c9a41ep-27F};
  static constexpr float below[] = {1.0F, 0x1.de576ap-2F, 0x1.a7df2cp-6F, 0x1.5841eep-12F, 0x1.a0b898p-21F};
  const Vec<float> bound = constant(9.02F);
  x = max2(neg(bound), min2(bound, x));  // a NaN passes both
  const Vec<float> square = x * x;
  return x * polynomial(square, above) / polynomial(square, below);
}

/// `count` entries at once: the hyperbolic tangent is a long chain, and several of them hide each other's latency.
template <class T, int count>
static inline void additive_entries(T* dst, const T* a, const T* memory, const T* v, i64 width) {
  using V = Vec<T>;
  V sum[count];
  for (int k = 0; k < count; ++k) sum[k] = V::zero();
  for_vectors<T>(width, [&](i64 c, int part) {
    const V q = load_part(a + c, part), weight = load_part(v + c, part);
    for (int k = 0; k < count; ++k) {
      sum[k] = fma(weight, tanh_of(q + load_part(memory + k * width + c, part)), sum[k]);
    }
  });
  for (int k = 0; k < count; ++k) dst[k] = sum_of_lanes(sum[k]);
}

template <class T>
static void memory_additive(T* dst, const T* a, const T* memory, const T* v, T*, i64 entries, i64 width) {
  i64 s = 0;
  for (; s + 2 <= entries; s += 2) additive_entries<T, 2>(dst + s, a, memory + s * width, v, width);
  for (; s < entries; ++s) additive_entries<T, 1>(dst + s, a, memory + s * width, v, width);
}

/// Columns of `count` vectors from c on.
template <class T, int count>
static inline void additive_grad_columns(T* dst, const T* a, const T* memory, const T* grad, T* into, i64 entries,
                                         i64 width, i64 c, int part) {
  using V = Vec<T>;
  const V one = V::set1(T(1));
  V q[count], slope[count], value[count];
  for (int k = 0; k < count; ++k) {
    q[k] = load_part(a + c + k * V::lanes, part);
    slope[k] = value[k] = V::zero();
  }
  const T* p = memory + c;
  T* to = into == nullptr ? nullptr : into + c;
  for (i64 s = 0; s < entries; ++s, p += width) {
    const V g = V::set1(grad[s]);
    for (int k = 0; k < count; ++k) {
      const V t = tanh_of(q[k] + load_part(p + k * V::lanes, part));
      const V d = g * fma(neg(t), t, one);
      slope[k] = slope[k] + d;
      value[k] = fma(g, t, value[k]);
      if (to != nullptr) {
        T* const place = to + k * V::lanes;
        store_part(place, load_part(static_cast<const T*>(place), part) + d, part);
      }
    }
    if (to != nullptr) to += width;
  }
  for (int k = 0; k < count; ++k) {
    store_part(dst + c + k * V::lanes, slope[k], part);
    store_part(dst + width + c + k * V::lanes, value[k], part);
  }
}

template <class T>
static void memory_additive_grad(T* dst, const T* a, const T* memory, const T* grad, T* into, i64 entries, i64 width) {
  constexpr int lanes = Vec<T>::lanes;
  i64 c = 0;
  for (; c + 4 * lanes <= width; c += 4 * lanes) {
    additive_grad_columns<T, 4>(dst, a, memory, grad, into, entries, width, c, 0);
  }
  for (; c + lanes <= width; c += lanes) {
    additive_grad_columns<T, 1>(dst, a, memory, grad, into, entries, width, c, 0);
  }
  if (c < width) {
    additive_grad_columns<T, 1>(dst, a, memory, grad, into, entries, width, c, static_cast<int>(width - c));
  }
}

template <class T>
static void fill_memory(Kernels<T>& table) {
  table.memory[static_cast<int>(Op::memory_dot)] = &memory_dot<T>;
  table.memory[static_cast<int>(Op::memory_sum)] = &memory_sum<T>;
  table.memory[static_cast<int>(Op::memory_additive)] = &memory_additive<T>;
  table.memory[static_cast<int>(Op::memory_additive_grad)] = &memory_additive_grad<T>;
}

}  // namespace DYNRNN_ISA_NS
}  // namespace dynrnn
