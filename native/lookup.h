// Looking up row memories outside of programs: a step that Python makes, of as many rows as the tensors have.
#pragma once

#include <cstdint>

#include "kernels.h"

namespace dynrnn {

/// Contiguous tensors: query [rows, width], memory [rows, entries, width], v [width], scores [rows, entries].
template <class T>
void additive_scores(const Kernels<T>& kernels, const T* query, const T* memory, const T* v, T* scores, i64 rows,
                     i64 entries, i64 width, int threads);

/// Likewise with grad [rows, entries] and sums [rows, 2 * width], see memory_additive_grad in kernels.h. `into` is
/// [rows, entries, width], whose values before do not count, or null.
template <class T>
void additive_gradients(const Kernels<T>& kernels, const T* query, const T* memory, const T* grad, T* sums, T* into,
                        i64 rows, i64 entries, i64 width, int threads);

}  // namespace dynrnn
