// Random numbers of a counter: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011). A
// value depends on where it is wanted and on nothing that was drawn before, so a mask can be made again in the backward
// step. All is in integers up to a last, exact product: the bits are the same on every code path.
#pragma once

#include <cstdint>

#include "kernels.h"
#include "vecmath.h"

namespace dynrnn {
namespace DYNRNN_ISA_NS {

/// Replaces each lane's counter by the function of it.
static inline void philox(Bits<float> (&word)[4], std::uint64_t seed) {
  using Words = Bits<float>;
  const Words multiplier0 = Words::set1(0xD2511F53U), multiplier1 = Words::set1(0xCD9E8D57U);
  auto key0 = static_cast<std::uint32_t>(seed), key1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    Words high0, low0, high1, low1;
    multiply(word[0], multiplier0, high0, low0);
    multiply(word[2], multiplier1, high1, low1);
    word[0] = (high1 ^ word[1]) ^ Words::set1(key0);
    word[1] = low1;
    word[2] = (high0 ^ word[3]) ^ Words::set1(key1);
    word[3] = low0;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
}

static inline void to_unit(std::uint32_t word, float& x) {
  x = static_cast<float>(static_cast<std::int32_t>(word >> 8)) * 0x1p-24F;
}
static inline void to_unit(std::uint32_t word, double& x) { x = static_cast<double>(word) * 0x1p-32; }

/// The numbers of all lanes, four for each, one lane's after the other's.
template <class T>
static inline void draw(T* to, const std::uint32_t (&counter)[4][Vec<float>::lanes], std::uint64_t seed) {
  constexpr int lanes = Vec<float>::lanes;
  Bits<float> word[4];
  for (int w = 0; w < 4; ++w) word[w] = Bits<float>::load(counter[w]);
  philox(word, seed);
  alignas(64) std::uint32_t drawn[4][lanes];
  for (int w = 0; w < 4; ++w) word[w].store(drawn[w]);
  for (int i = 0; i < lanes; ++i) {
    for (int w = 0; w < 4; ++w) to_unit(drawn[w][i], to[4 * i + w]);
  }
}

/// Kernels::noise. The row's groups of four columns fill the lanes as long as there are enough; what remains of all
/// rows is put into one queue, so that short rows share the lanes.
template <class T>
static void noise(T* dst, i64 ldd, std::uint64_t seed, std::uint32_t stream, const i64* step, const i64* row, i64 rows,
                  i64 cols) {
  constexpr int lanes = Vec<float>::lanes;
  alignas(64) std::uint32_t counter[4][lanes];
  for (int i = 0; i < lanes; ++i) counter[3][i] = stream;
  const i64 whole = cols / (4 * lanes) * lanes;
  for (i64 r = 0; r < rows; ++r) {
    for (int i = 0; i < lanes; ++i) {
      counter[1][i] = static_cast<std::uint32_t>(row[r]);
      counter[2][i] = static_cast<std::uint32_t>(step[r]);
    }
    for (i64 g = 0; g < whole; g += lanes) {
      for (int i = 0; i < lanes; ++i) counter[0][i] = static_cast<std::uint32_t>(g + i);
      draw(dst + r * ldd + 4 * g, counter, seed);
    }
  }

  alignas(64) T value[4 * lanes];
  T* to[lanes];
  int width[lanes];
  int queued = 0;
  const auto flush = [&] {
    draw(value, counter, seed);
    for (int i = 0; i < queued; ++i) {
      if (width[i] == 4) {
        for (int w = 0; w < 4; ++w) to[i][w] = value[4 * i + w];
      } else {
        for (int w = 0; w < width[i]; ++w) to[i][w] = value[4 * i + w];
      }
    }
    queued = 0;
  };
  for (i64 r = 0; r < rows; ++r) {
    for (i64 g = whole; 4 * g < cols; ++g) {
      counter[0][queued] = static_cast<std::uint32_t>(g);
      counter[1][queued] = static_cast<std::uint32_t>(row[r]);
      counter[2][queued] = static_cast<std::uint32_t>(step[r]);
      to[queued] = dst + r * ldd + 4 * g;
      width[queued] = static_cast<int>(cols - 4 * g < 4 ? cols - 4 * g : 4);
      if (++queued == lanes) flush();
    }
  }
  if (queued > 0) flush();
}

}  // namespace DYNRNN_ISA_NS
}  // namespace dynrnn
