// The choice among the code paths that were built.

#include "kernels.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "cpu_features.h"
#include "kernels_choice.h"

namespace dynrnn {

// Each is defined by one kernels_<isa>.cpp.
#define DYNRNN_DECLARE(isa)              \
  namespace isa {                        \
  const Kernels<float>& table_f32();     \
  const Kernels<double>& table_f64();    \
  }
DYNRNN_DECLARE(portable)
#if defined(DYNRNN_HAVE_AVX512)
DYNRNN_DECLARE(avx512)
#endif
#if defined(DYNRNN_HAVE_AVX2)
DYNRNN_DECLARE(avx2)
#endif
#if defined(DYNRNN_HAVE_NEON)
DYNRNN_DECLARE(neon)
#endif
#undef DYNRNN_DECLARE

namespace {

struct Path {
  Isa isa;
  const Kernels<float>& (*f32)();
  const Kernels<double>& (*f64)();
};

// The widest first.
constexpr Path paths[] = {
#if defined(DYNRNN_HAVE_AVX512)
    {Isa::avx512, &avx512::table_f32, &avx512::table_f64},
#endif
#if defined(DYNRNN_HAVE_AVX2)
    {Isa::avx2, &avx2::table_f32, &avx2::table_f64},
#endif
#if defined(DYNRNN_HAVE_NEON)
    {Isa::neon, &neon::table_f32, &neon::table_f64},
#endif
    {Isa::portable, &portable::table_f32, &portable::table_f64},
};

const char* name_of(Isa isa) {
  for (const auto& [each, name] : kIsaNames) {
    if (each == isa) return name;
  }
  return "";
}

const Path* find(const std::string& name) {
  for (const Path& path : paths) {
    if (name == name_of(path.isa) && supports(cpu_features(), path.isa)) return &path;
  }
  return nullptr;
}

}  // namespace

const Kernels<float>* kernels_f32(const char* isa) {
  const Path* const path = find(isa);
  return path == nullptr ? nullptr : &path->f32();
}

const Kernels<double>* kernels_f64(const char* isa) {
  const Path* const path = find(isa);
  return path == nullptr ? nullptr : &path->f64();
}

std::vector<const char*> usable_isas() {
  std::vector<const char*> names;
  for (const Path& path : paths) {
    if (supports(cpu_features(), path.isa)) names.push_back(name_of(path.isa));
  }
  return names;
}

const char* current_isa() {
  const char* const requested = std::getenv("DYNRNN_ISA");
  if (requested == nullptr || *requested == '\0') return usable_isas().front();
  const char* const name = choose_isa(cpu_features(), requested);
  if (find(name) == nullptr) {
    throw std::invalid_argument(std::string("DYNRNN_ISA must name a code path of this build, got '") + name +
                                "', which it was compiled without");
  }
  return name;
}

}  // namespace dynrnn
