#include "lookup.h"

#include <algorithm>
#include <atomic>

#include "ops.h"
#include "pool.h"

namespace dynrnn {
namespace {

// Rows, each of which any thread may do.
template <class Function>
class Rows {
 public:
  Rows(i64 rows, const Function& function) : rows_(rows), function_(function) {}

  void run(int threads) {
    pool().run(static_cast<int>(std::min<i64>(threads, rows_)),
               [](void* self, int) noexcept { static_cast<Rows*>(self)->take(); }, this);
  }

 private:
  void take() {
    for (i64 row = next_.fetch_add(1, std::memory_order_relaxed); row < rows_;
         row = next_.fetch_add(1, std::memory_order_relaxed)) {
      function_(row);
    }
  }

  const i64 rows_;
  const Function& function_;
  std::atomic<i64> next_{0};
};

template <class Function>
void for_rows(i64 rows, i64 work, int threads, const Function& function) {
  // A small call is over before another thread has come.
  if (rows > 0) Rows<Function>(rows, function).run(rows * work < (i64{1} << 14) ? 1 : threads);
}

}  // namespace

template <class T>
void additive_scores(const Kernels<T>& kernels, const T* query, const T* memory, const T* v, T* scores, i64 rows,
                     i64 entries, i64 width, int threads) {
  const MemoryFn<T> kernel = kernels.memory[static_cast<int>(Op::memory_additive)];
  for_rows(rows, entries * width, threads, [&](i64 row) {
    kernel(scores + row * entries, query + row * width, memory + row * entries * width, v, nullptr, entries, width);
  });
}

template <class T>
void additive_gradients(const Kernels<T>& kernels, const T* query, const T* memory, const T* grad, T* sums, T* into,
                        i64 rows, i64 entries, i64 width, int threads) {
  const MemoryFn<T> kernel = kernels.memory[static_cast<int>(Op::memory_additive_grad)];
  for_rows(rows, entries * width, threads, [&](i64 row) {
    T* const to = into == nullptr ? nullptr : into + row * entries * width;
    if (to != nullptr) std::fill(to, to + entries * width, T(0));
    kernel(sums + row * 2 * width, query + row * width, memory + row * entries * width, grad + row * entries, to,
           entries, width);
  });
}

#define DYNRNN_INSTANTIATE(T)                                                                                       \
  template void additive_scores<T>(const Kernels<T>&, const T*, const T*, const T*, T*, i64, i64, i64, int);        \
  template void additive_gradients<T>(const Kernels<T>&, const T*, const T*, const T*, T*, T*, i64, i64, i64, int);
DYNRNN_INSTANTIATE(float)
DYNRNN_INSTANTIATE(double)
#undef DYNRNN_INSTANTIATE

}  // namespace dynrnn
