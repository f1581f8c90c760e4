// The kernels that work element by element, and the sums and maxima along rows and columns. Included after the path's
// simd header; kernels.h says what each does. An operation is one expression on vectors (`Apply` below), which gives
// torch's result for every special value; `pointwise` makes the kernel of it.
#pragma once

#include "kernels.h"
#include "noise_impl.h"
#include "vecmath.h"

namespace dynrnn {
namespace DYNRNN_ISA_NS {

template <class T>
static inline Vec<T> to_number(Mask<T> m) {
  return select(m, constant(T(1)), Vec<T>::zero());
}

/// What counts as true: all but the zeros, NaN too.
template <class T>
static inline Mask<T> truth(Vec<T> a) {
  return !eq(a, Vec<T>::zero());
}

template <Op op>
struct Apply;

#define DYNRNN_OP(name, parameters, ...)     \
  template <>                                \
  struct Apply<Op::name> {                   \
    template <class T>                       \
    static inline Vec<T> apply parameters {  \
      return __VA_ARGS__;                    \
    }                                        \
  };
#define DYNRNN_UNARY(name, ...) DYNRNN_OP(name, (Vec<T> a), __VA_ARGS__)
#define DYNRNN_BINARY(name, ...) DYNRNN_OP(name, (Vec<T> a, Vec<T> b), __VA_ARGS__)
#define DYNRNN_TERNARY(name, ...) DYNRNN_OP(name, (Vec<T> a, Vec<T> b, Vec<T> c), __VA_ARGS__)

DYNRNN_UNARY(copy, a)
DYNRNN_UNARY(neg, neg(a))
DYNRNN_UNARY(abs, abs(a))
DYNRNN_UNARY(sign, to_number(lt(Vec<T>::zero(), a)) - to_number(lt(a, Vec<T>::zero())))  // 0 for NaN, as torch says
DYNRNN_UNARY(exp, exp(a))
DYNRNN_UNARY(expm1, expm1(a))
DYNRNN_UNARY(log, log(a))
DYNRNN_UNARY(log1p, log1p(a))
DYNRNN_UNARY(sqrt, sqrt(a))
DYNRNN_UNARY(rsqrt, constant(T(1)) / sqrt(a))
DYNRNN_UNARY(reciprocal, constant(T(1)) / a)
DYNRNN_UNARY(sigmoid, sigmoid(a))
DYNRNN_UNARY(tanh, tanh(a))
DYNRNN_UNARY(relu, max2(Vec<T>::zero(), a))  // a NaN passes, and so does -0
DYNRNN_UNARY(erf, erf(a))
DYNRNN_UNARY(sin, sin(a))
DYNRNN_UNARY(cos, cos(a))
DYNRNN_UNARY(floor, floor(a))
DYNRNN_UNARY(ceil, ceil(a))
DYNRNN_UNARY(round, round_even(a))
DYNRNN_UNARY(trunc, trunc(a))
DYNRNN_UNARY(logical_not, to_number(eq(a, Vec<T>::zero())))
DYNRNN_UNARY(isnan, to_number(is_nan(a)))
DYNRNN_BINARY(add, a + b)
DYNRNN_BINARY(sub, a - b)
DYNRNN_BINARY(mul, a * b)
DYNRNN_BINARY(div, a / b)
DYNRNN_BINARY(maximum, select(is_nan(a), a, max2(a, b)))  // NaN if either is; max2 itself gives b then
DYNRNN_BINARY(minimum, select(is_nan(a), a, min2(a, b)))
DYNRNN_BINARY(pow, pow(a, b))
DYNRNN_BINARY(gt, to_number(lt(b, a)))
DYNRNN_BINARY(ge, to_number(le(b, a)))
DYNRNN_BINARY(lt, to_number(lt(a, b)))
DYNRNN_BINARY(le, to_number(le(a, b)))
DYNRNN_BINARY(eq, to_number(eq(a, b)))
DYNRNN_BINARY(ne, to_number(!eq(a, b)))
DYNRNN_BINARY(logical_and, to_number(truth(a) & truth(b)))
DYNRNN_BINARY(logical_or, to_number(truth(a) | truth(b)))
DYNRNN_BINARY(sigmoid_grad, a * (constant(T(1)) - b) * b)  // in torch's order
DYNRNN_BINARY(tanh_grad, a * fma(neg(b), b, constant(T(1))))
DYNRNN_TERNARY(where, select(truth(a), b, c))
DYNRNN_TERNARY(fma, fma(a, b, c))
DYNRNN_TERNARY(fnma, fma(neg(a), b, c))

#undef DYNRNN_TERNARY
#undef DYNRNN_BINARY
#undef DYNRNN_UNARY
#undef DYNRNN_OP

// ---- the loop around them

/// Loads from the place of each source and applies the operation.
template <Op op, class T, class Load>
static inline Vec<T> apply_to(Load load, const T* const (&p)[1]) {
  return Apply<op>::apply(load(p[0]));
}
template <Op op, class T, class Load>
static inline Vec<T> apply_to(Load load, const T* const (&p)[2]) {
  return Apply<op>::apply(load(p[0]), load(p[1]));
}
template <Op op, class T, class Load>
static inline Vec<T> apply_to(Load load, const T* const (&p)[3]) {
  return Apply<op>::apply(load(p[0]), load(p[1]), load(p[2]));
}

/// The kernel of an operation (PointwiseFn in kernels.h).
template <class T, Op op, int arity>
static void pointwise(T* dst, i64 ldd, const Source<T>* src, i64 rows, i64 cols) {
  constexpr int lanes = Vec<T>::lanes;
  if (rows <= 0 || cols <= 0) return;

  // A source has an element for each column (it is wide), or one for each row, or is one number. In a matrix of one
  // column the first two are the same, whatever `inner` says: wide.
  bool wide[arity], all_wide = true, flat = ldd == cols;
  for (int k = 0; k < arity; ++k) {
    const bool number = src[k].ld == 0 && (src[k].inner == 0 || cols == 1);
    wide[k] = !number && (src[k].inner != 0 || cols == 1);
    flat = flat && (number || (wide[k] && src[k].ld == cols));
  }
  if (flat) {  // nothing between the rows: one long row, which costs no more for being narrow
    cols *= rows;
    rows = 1;
  }
  for (int k = 0; k < arity; ++k) all_wide = all_wide && wide[k];

  // The one element of a source that is not wide is repeated here, and read again and again.
  alignas(64) T repeated[arity][lanes];
  const auto load = [](const T* p) { return Vec<T>::load(p); };
  for (i64 r = 0; r < rows; ++r, dst += ldd) {
    const T* p[arity];
    for (int k = 0; k < arity; ++k) p[k] = src[k].p + r * src[k].ld;
    i64 c = 0;
    if (all_wide) {
      for (; c + lanes <= cols; c += lanes) {
        apply_to<op, T>([c](const T* q) { return Vec<T>::load(q + c); }, p).store(dst + c);
      }
      for (int k = 0; k < arity; ++k) p[k] += c;
    } else {
      i64 advance[arity];
      for (int k = 0; k < arity; ++k) {
        advance[k] = wide[k] ? lanes : 0;
        if (wide[k]) continue;
        if (r == 0 || src[k].ld != 0) constant(*p[k]).store(repeated[k]);
        p[k] = repeated[k];
      }
      for (; c + lanes <= cols; c += lanes) {
        apply_to<op, T>(load, p).store(dst + c);
        for (int k = 0; k < arity; ++k) p[k] += advance[k];
      }
    }
    if (c < cols) {
      const int n = static_cast<int>(cols - c);
      apply_to<op, T>([n](const T* q) { return Vec<T>::load_n(q, n); }, p).store_n(dst + c, n);
    }
  }
}

// ---- along a row

// As for float (vecmath_<path>.h).
static inline Vec<double> load_double(const double* p) { return Vec<double>::load(p); }
static inline Vec<double> load_double_n(const double* p, int n) { return Vec<double>::load_n(p, n); }

/// The sum of a row in double, in four vectors of partial sums whatever the number of columns.
template <class T>
static inline double row_sum(const T* a, i64 cols) {
  using D = Vec<double>;
  constexpr int lanes = D::lanes;
  D s[4] = {D::zero(), D::zero(), D::zero(), D::zero()};
  i64 c = 0;
  for (; c + 4 * lanes <= cols; c += 4 * lanes) {
    for (int k = 0; k < 4; ++k) s[k] = s[k] + load_double(a + c + k * lanes);
  }
  for (int k = 0; k < 4 && c < cols; ++k, c += lanes) {
    s[k] = s[k] + load_double_n(a + c, static_cast<int>(cols - c < lanes ? cols - c : lanes));
  }
  double x[lanes];
  ((s[0] + s[1]) + (s[2] + s[3])).store(x);
  for (int n = lanes / 2; n > 0; n /= 2) {
    for (int i = 0; i < n; ++i) x[i] += x[i + n];
  }
  return x[0];
}

template <class T>
static void sum_cols(T* dst, i64 ldd, const T* a, i64 lda, i64 rows, i64 cols) {
  for (i64 r = 0; r < rows; ++r) dst[r * ldd] = static_cast<T>(row_sum(a + r * lda, cols));
}

/// NaN where there is one in the row; -infinity for no columns.
template <class T>
static void max_cols(T* dst, i64 ldd, const T* a, i64 lda, i64 rows, i64 cols) {
  using V = Vec<T>;
  const auto larger = [](V x, V y) { return Apply<Op::maximum>::apply(x, y); };
  const V lowest = constant(-Constants<T>::infinity);
  for (i64 r = 0; r < rows; ++r, a += lda) {
    V m0 = lowest, m1 = lowest;
    i64 c = 0;
    for (; c + 2 * V::lanes <= cols; c += 2 * V::lanes) {
      m0 = larger(m0, V::load(a + c));
      m1 = larger(m1, V::load(a + c + V::lanes));
    }
    if (c + V::lanes <= cols) {
      m0 = larger(m0, V::load(a + c));
      c += V::lanes;
    }
    T x[V::lanes];
    larger(m0, m1).store(x);
    for (; c < cols; ++c) x[0] = x[0] != x[0] || x[0] > a[c] ? x[0] : a[c];
    for (int n = V::lanes / 2; n > 0; n /= 2) {
      for (int i = 0; i < n; ++i) x[i] = x[i] != x[i] || x[i] > x[i + n] ? x[i] : x[i + n];
    }
    dst[r * ldd] = x[0];
  }
}

// ---- along the columns

/// Adds up `count` vectors of columns from column c on, or fewer columns (`part`) than one vector.
template <class T, int count>
static inline void add_rows_block(double* acc, const Source<T>& a, const Source<T>* b, i64 rows, i64 c, int part) {
  using D = Vec<double>;
  const auto get = [c, part](const Source<T>& s, i64 r, int k) {
    const T* p = s.p + r * s.ld;
    if (!s.inner) return D::set1(static_cast<double>(*p));
    return part == 0 ? load_double(p + c + k * D::lanes) : load_double_n(p + c, part);
  };
  D sum[count];
  for (int k = 0; k < count; ++k) sum[k] = part == 0 ? D::load(acc + c + k * D::lanes) : D::load_n(acc + c, part);
  if (b == nullptr) {
    for (i64 r = 0; r < rows; ++r) {
      for (int k = 0; k < count; ++k) sum[k] = sum[k] + get(a, r, k);
    }
  } else {
    for (i64 r = 0; r < rows; ++r) {
      for (int k = 0; k < count; ++k) sum[k] = fma(get(a, r, k), get(*b, r, k), sum[k]);
    }
  }
  for (int k = 0; k < count; ++k) {
    if (part == 0) {
      sum[k].store(acc + c + k * D::lanes);
    } else {
      sum[k].store_n(acc + c, part);
    }
  }
}

template <class T>
static void add_rows(double* acc, const Source<T>* a, const Source<T>* b, i64 rows, i64 cols) {
  constexpr int lanes = Vec<double>::lanes;
  i64 c = 0;
  for (; c + 8 * lanes <= cols; c += 8 * lanes) add_rows_block<T, 8>(acc, *a, b, rows, c, 0);
  for (; c + lanes <= cols; c += lanes) add_rows_block<T, 1>(acc, *a, b, rows, c, 0);
  if (c < cols) add_rows_block<T, 1>(acc, *a, b, rows, c, static_cast<int>(cols - c));
}

// ---- the table

template <class T>
static void fill_pointwise(Kernels<T>& table) {
#define DYNRNN_FILL_MOVE(name, arity)
#define DYNRNN_FILL_MATMUL(name, arity)
#define DYNRNN_FILL_POINTWISE(name, arity) table.pointwise[static_cast<int>(Op::name)] = &pointwise<T, Op::name, arity>;
#define DYNRNN_FILL_REDUCE(name, arity) table.reduce[static_cast<int>(Op::name)] = &name<T>;
#define DYNRNN_FILL_ACCUMULATE(name, arity)
#define DYNRNN_FILL_GENERATE(name, arity)
#define DYNRNN_FILL_MEMORY(name, arity)
#define OP(name, arity, cls) DYNRNN_FILL_##cls(name, arity)
#include "ops.def"
#undef OP
#undef DYNRNN_FILL_MOVE
#undef DYNRNN_FILL_MATMUL
#undef DYNRNN_FILL_POINTWISE
#undef DYNRNN_FILL_REDUCE
#undef DYNRNN_FILL_ACCUMULATE
#undef DYNRNN_FILL_GENERATE
#undef DYNRNN_FILL_MEMORY
  table.add_rows = &add_rows<T>;
  table.noise = &noise<T>;
}

}  // namespace DYNRNN_ISA_NS
}  // namespace dynrnn
