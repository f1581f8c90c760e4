// Elementary functions on vectors, the same text for every code path; float and double differ in constants only.
// Included after the path's simd header.
//
// Accuracy is relative over the whole range, denormal results, tails and tiny arguments included: at most 1.8 units
// in the last place for float (measured on every 37th number), 2.0 for double (on random ones). What the functions
// are made of: Cody and Waite's reduction of exp by a multiple of ln 2 in two parts; minimax polynomials, found by
// Remez' exchange; for the logarithm the series in s = f / (2 + f), arranged as in FreeBSD's libm. There are no
// branches, and nothing cancels or overflows:
//   sigmoid(x) = a - a z / (1 + z) with z = exp(-|x|), a = x < 0 ? z : 1; what the quotient is off counts half at most
//   tanh(x)    = 1 - 2 z / (1 + z) with z = exp(-2 |x|), and the sign of x; near 0 a polynomial
// sin, cos and pow, and erf for double, are the C library's, lane by lane, and slow.
#pragma once

#include <math.h>

#include <cstdint>

#include DYNRNN_VECMATH_HEADER

namespace dynrnn {
namespace DYNRNN_ISA_NS {

/// Constants of a type. `whole` is 1.5 * 2^fraction_bits: adding it rounds a small number to a whole one, which then
/// stands in the lowest bits.
template <class T>
struct Constants;

template <>
struct Constants<float> {
  using Word = std::uint32_t;
  static constexpr int fraction_bits = 23;
  static constexpr Word bias = 127;
  static constexpr Word sign = 0x80000000U;
  static constexpr Word one = 0x3f800000U;
  static constexpr Word sqrt_half = 0x3f3504f3U;
  static constexpr Word fraction_one = 0x4b000000U;  // 2^fraction_bits: the last fraction bit is 1
  static constexpr float whole = 12582912.0F;
  static constexpr float infinity = INFINITY;
  static constexpr float min_normal = 0x1p-126F;
  static constexpr float log2_e = 0x1.715476p+0F;
  static constexpr float ln2_hi = 0x1.63p-1F;  // 9 bits: its product with an exponent is exact
  static constexpr float ln2_lo = -0x1.bd0106p-13F;
  static constexpr float exp_min = -104.0F;  // exp is 0 below, infinite above exp_max
  static constexpr float exp_max = 89.0F;
  static constexpr float expm1_min = -30.0F;  // expm1 is -1 below
  static constexpr float tanh_max = 10.0F;    // tanh is 1 above
  // (exp(r) - 1 - r - r^2 / 2) / r^3 for |r| <= ln(2) / 2
  static constexpr float exp_tail[] = {0x1.555556p-3F, 0x1.5554f4p-5F, 0x1.1110a6p-7F, 0x1.6d3e64p-10F,
                                       0x1.a18544p-13F};
  // (tanh(x) - x) / x^3 in x^2, |x| <= 0.5625
  static constexpr float tanh_series[] = {-0x1.55554ap-2F, 0x1.110ca8p-3F, -0x1.b91022p-5F, 0x1.585e4ep-6F,
                                          -0x1.95df50p-8F};
  // (2 atanh(s) - 2 s) / s^3 in s^2, |s| <= 3 - sqrt(8)
  static constexpr float log_series[] = {0x1.555556p-1F, 0x1.999a70p-2F, 0x1.243b10p-2F, 0x1.e2ae34p-3F};
};

template <>
struct Constants<double> {
  using Word = std::uint64_t;
  static constexpr int fraction_bits = 52;
  static constexpr Word bias = 1023;
  static constexpr Word sign = 0x8000000000000000U;
  static constexpr Word one = 0x3ff0000000000000U;
  static constexpr Word sqrt_half = 0x3fe6a09e667f3bcdU;
  static constexpr Word fraction_one = 0x4330000000000000U;
  static constexpr double whole = 6755399441055744.0;
  static constexpr double infinity = INFINITY;
  static constexpr double min_normal = 0x1p-1022;
  static constexpr double log2_e = 0x1.71547652b82fep+0;
  static constexpr double ln2_hi = 0x1.62e42feep-1;  // 32 bits
  static constexpr double ln2_lo = 0x1.a39ef35793c76p-33;
  static constexpr double exp_min = -746.0;
  static constexpr double exp_max = 710.0;
  static constexpr double expm1_min = -60.0;
  static constexpr double tanh_max = 22.0;
  static constexpr double exp_tail[] = {0x1.5555555555558p-3,  0x1.5555555555558p-5,  0x1.111111110fc22p-7,
                                        0x1.6c16c16c14e61p-10, 0x1.a01a01adf6ddfp-13, 0x1.a01a01ae48f03p-16,
                                        0x1.71ddfcc454eb3p-19, 0x1.27e4c9e8088acp-22, 0x1.af57949c4880dp-26,
                                        0x1.1f8fc1cf71f84p-29};
  static constexpr double tanh_series[] = {-0x1.555555555554fp-2, 0x1.111111111065ap-3,  -0x1.ba1ba1b95ef52p-5,
                                           0x1.664f4850ca652p-6,  -0x1.226e2dce6a763p-7, 0x1.d6d2630aedd06p-9,
                                           -0x1.7d8cc83255f2cp-10, 0x1.34694da782876p-11, -0x1.e858479ce4cc1p-13,
                                           0x1.5a38f7266cf4cp-14, -0x1.3edfd19b694b1p-16};
  static constexpr double log_series[] = {0x1.5555555555581p-1, 0x1.999999998467dp-2, 0x1.2492493e8d7cep-2,
                                          0x1.c71c5471e69cep-3, 0x1.7465cda02fd2bp-3, 0x1.39ac1ffcacec2p-3,
                                          0x1.2ea4dea100847p-3};
};

template <class T>
static inline Vec<T> constant(T x) {
  return Vec<T>::set1(x);
}

template <class T>
static inline Vec<T> abs(Vec<T> a) {
  return from_bits(bits(a) & Bits<T>::set1(~Constants<T>::sign));
}

template <class T>
static inline Vec<T> neg(Vec<T> a) {
  return from_bits(bits(a) ^ Bits<T>::set1(Constants<T>::sign));
}

template <class T>
static inline Vec<T> copy_sign(Vec<T> size, Vec<T> sign) {
  const Bits<T> minus = Bits<T>::set1(Constants<T>::sign);
  return from_bits((bits(size) & Bits<T>::set1(~Constants<T>::sign)) | (bits(sign) & minus));
}

template <class T>
static inline Mask<T> is_nan(Vec<T> a) {
  return !eq(a, a);
}

/// c[0] + c[1] x + c[2] x^2 + ...
template <class T, int count>
static inline Vec<T> polynomial(Vec<T> x, const T (&c)[count]) {
  Vec<T> r = constant(c[count - 1]);
  for (int i = count - 2; i >= 0; --i) r = fma(r, x, constant(c[i]));
  return r;
}

/// 2^n, where `shifted` is n + whole, for n from 2 - bias to bias.
template <class T>
static inline Vec<T> power_of_2(Vec<T> shifted) {
  using C = Constants<T>;
  return from_bits(bits(shifted).template shl<C::fraction_bits>() + Bits<T>::set1(C::one));
}

#if defined(DYNRNN_NO_SCALE_INSTRUCTION)
/// a * 2^n for a in [1/2, 2] and a whole n (`shifted` is n + whole), in two steps as 2^n alone may not be a number. The
/// first one is exact, so the result is rounded once.
template <class T>
static inline Vec<T> scale(Vec<T> a, Vec<T> n, Vec<T>) {
  const Vec<T> whole = constant(Constants<T>::whole);
  const Vec<T> half = n * constant(T(0.5)) + whole;
  const Vec<T> rest = (n - (half - whole)) + whole;
  return a * power_of_2(half) * power_of_2(rest);
}
#endif

/// x = n ln 2 + r with |r| <= ln(2) / 2: n, n + whole, r, and exp(r) - 1.
template <class T>
struct ExpParts {
  Vec<T> n, shifted, r, m1;
};

template <class T>
static inline ExpParts<T> exp_parts(Vec<T> x) {
  using C = Constants<T>;
  ExpParts<T> e;
  const Vec<T> whole = constant(C::whole);
  e.shifted = fma(x, constant(C::log2_e), whole);
  e.n = e.shifted - whole;
  e.r = fma(e.n, constant(-C::ln2_lo), fma(e.n, constant(-C::ln2_hi), x));
  const Vec<T> tail = polynomial(e.r, C::exp_tail);
  e.m1 = fma(e.r * e.r, fma(tail, e.r, constant(T(0.5))), e.r);
  return e;
}

/// exp(x) for x in [exp_min, exp_max] or NaN.
template <class T>
static inline Vec<T> exp_bounded(Vec<T> x) {
  const ExpParts<T> e = exp_parts(x);
  return scale(constant(T(1)) + e.m1, e.n, e.shifted);
}

template <class T>
static inline Vec<T> exp(Vec<T> x) {
  using C = Constants<T>;
  return exp_bounded(max2(constant(C::exp_min), min2(constant(C::exp_max), x)));  // a NaN passes both
}

template <class T>
static inline Vec<T> expm1(Vec<T> x) {
  using C = Constants<T>;
  const ExpParts<T> e = exp_parts(max2(constant(C::expm1_min), min2(constant(C::exp_max), x)));
  // exp(r) 2^n - 1 from its half: for the largest x, 2^n is no number.
  const Vec<T> half = power_of_2(e.shifted - constant(T(1)));
  const Vec<T> y = fma(e.m1, half, half - constant(T(0.5)));
  return select(lt(abs(x), constant(sizeof(T) == 4 ? T(0x1p-25) : T(0x1p-54))), x, y + y);
}

template <class T>
static inline Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> one = constant(T(1));
  const Vec<T> z = exp_bounded(max2(constant(Constants<T>::exp_min), neg(abs(x))));
  const Vec<T> t = z / (one + z);
  const Vec<T> a = select(lt(x, Vec<T>::zero()), z, one);
  return fma(neg(a), t, a);
}

template <class T>
static inline Vec<T> tanh(Vec<T> x) {
  using C = Constants<T>;
  const Vec<T> one = constant(T(1));
  const Vec<T> size = min2(constant(C::tanh_max), abs(x));
  const Vec<T> square = size * size;
  const Vec<T> inner = fma(size * square, polynomial(square, C::tanh_series), size);
  const ExpParts<T> e = exp_parts(size * constant(T(-2)));
  const Vec<T> s = power_of_2(e.shifted);
  const Vec<T> z = fma(e.m1, s, s);
  const Vec<T> outer = fma(z / (one + z), constant(T(-2)), one);
  return copy_sign(select(lt(size, constant(T(0.5625))), inner, outer), x);
}

/// u = m 2^e with m in [sqrt(1/2), sqrt(2)), for positive u that is neither denormal nor infinite; biased is e + bias.
template <class T>
struct LogParts {
  Vec<T> m, e;
  Bits<T> biased;
};

template <class T>
static inline LogParts<T> log_parts(Vec<T> u) {
  using C = Constants<T>;
  const Bits<T> raised = bits(u) + Bits<T>::set1(C::one - C::sqrt_half);
  LogParts<T> p;
  p.biased = raised.template shr<C::fraction_bits>();
  const auto fraction = (typename C::Word{1} << C::fraction_bits) - 1;
  p.m = from_bits((raised & Bits<T>::set1(fraction)) + Bits<T>::set1(C::sqrt_half));
  const Bits<T> power = Bits<T>::set1(C::fraction_one);
  p.e = (from_bits(p.biased | power) - from_bits(power)) - constant(T(C::bias));
  return p;
}

/// e ln 2 + log(1 + f) for f in [sqrt(1/2) - 1, sqrt(2) - 1].
template <class T>
static inline Vec<T> log_sum(Vec<T> e, Vec<T> f) {
  using C = Constants<T>;
  const Vec<T> s = f / (f + constant(T(2)));
  const Vec<T> z = s * s;
  const Vec<T> half_square = f * f * constant(T(0.5));
  const Vec<T> rest = fma(s, fma(z, polynomial(z, C::log_series), half_square), e * constant(C::ln2_lo));
  return fma(e, constant(C::ln2_hi), f - (half_square - rest));
}

template <class T>
static inline Vec<T> log(Vec<T> x) {
  using C = Constants<T>;
  const Vec<T> zero = Vec<T>::zero();
  const Mask<T> denormal = lt(x, constant(C::min_normal));
  constexpr T up = sizeof(T) == 4 ? T(0x1p24) : T(0x1p54);
  const LogParts<T> p = log_parts(select(denormal, x * constant(up), x));
  const Vec<T> e = p.e - select(denormal, constant(sizeof(T) == 4 ? T(24) : T(54)), zero);
  Vec<T> y = log_sum(e, p.m - constant(T(1)));
  y = select(lt(x, constant(C::infinity)), y, x);  // infinity and NaN
  y = select(lt(x, zero), constant(T(NAN)), y);
  return select(eq(x, zero), constant(-C::infinity), y);
}

template <class T>
static inline Vec<T> log1p(Vec<T> x) {
  using C = Constants<T>;
  const Vec<T> zero = Vec<T>::zero(), one = constant(T(1));
  // 1 + x = u + low exactly.
  const Vec<T> u = one + x;
  const Vec<T> back = u - one;
  const Vec<T> low = (one - (u - back)) + (x - back);
  const LogParts<T> p = log_parts(u);
  const Vec<T> down = from_bits((Bits<T>::set1(2 * C::bias) - p.biased).template shl<C::fraction_bits>());  // 2^-e
  const Vec<T> small = select(lt(x, constant(sizeof(T) == 4 ? T(0x1p30) : T(0x1p60))), low * down, zero);
  Vec<T> y = log_sum(p.e, (p.m - one) + small);
  y = select(lt(x, constant(C::infinity)), y, x);
  y = select(lt(u, zero), constant(T(NAN)), y);
  y = select(eq(u, zero), constant(-C::infinity), y);
  return select(eq(x, zero), x, y);  // keeps the zeros' signs
}

/// A function of the C library on every lane.
template <class T>
static inline Vec<T> by_lane(T (*f)(T), Vec<T> a) {
  T x[Vec<T>::lanes];
  a.store(x);
  for (int i = 0; i < Vec<T>::lanes; ++i) x[i] = f(x[i]);
  return Vec<T>::load(x);
}
template <class T>
static inline Vec<T> by_lane(T (*f)(T, T), Vec<T> a, Vec<T> b) {
  T x[Vec<T>::lanes], y[Vec<T>::lanes];
  a.store(x);
  b.store(y);
  for (int i = 0; i < Vec<T>::lanes; ++i) x[i] = f(x[i], y[i]);
  return Vec<T>::load(x);
}

static inline Vec<double> erf(Vec<double> x) { return by_lane<double>(&::erf, x); }
static inline Vec<float> sin(Vec<float> x) { return by_lane<float>(&::sinf, x); }
static inline Vec<double> sin(Vec<double> x) { return by_lane<double>(&::sin, x); }
static inline Vec<float> cos(Vec<float> x) { return by_lane<float>(&::cosf, x); }
static inline Vec<double> cos(Vec<double> x) { return by_lane<double>(&::cos, x); }
static inline Vec<float> pow(Vec<float> x, Vec<float> y) { return by_lane<float>(&::powf, x, y); }
static inline Vec<double> pow(Vec<double> x, Vec<double> y) { return by_lane<double>(&::pow, x, y); }

static inline Vec<float> erf(Vec<float> x) {
  // (erf(x) / x - 1) in x^2 up to 1, and the logarithm of 1 - erf(x) from there to 4, where erf is 1.
  static constexpr float inner[] = {0x1.06eba8p-3F, -0x1.81273ep-2F, 0x1.ce2d20p-4F, -0x1.b7fbb4p-6F,
                                   0x1.5419f6p-8F, -0x1.a485ecp-11F, 0x1.4ae4d0p-14F};
  static constexpr float outer[] = {0x1.8a574ap-13F, -0x1.212c0cp+0F, -0x1.443566p-1F,  -0x1.bc1516p-4F,
                                  0x1.9d0304p-6F,  -0x1.138cbcp-8F, 0x1.cec5fep-12F, -0x1.6bd7dep-16F};
  using V = Vec<float>;
  const V a = min2(V::set1(4.0F), abs(x));
  const V small = fma(a, polynomial(a * a, inner), a);
  const V large = V::set1(1.0F) - exp_bounded(polynomial(a, outer));
  return copy_sign(select(lt(a, V::set1(1.0F)), small, large), x);
}

}  // namespace DYNRNN_ISA_NS
}  // namespace dynrnn
