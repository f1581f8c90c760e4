// The Python module dynrnn._native. Everything that touches Python is in this file; src/dynrnn/_native.pyi gives its
// types.

#include <cstdlib>

#include <nanobind/nanobind.h>

#include "cpu_features.h"

namespace nb = nanobind;

namespace {

nb::dict cpu_features() {
    const dynrnn::CpuFeatures& f = dynrnn::cpu_features();
    nb::dict d;
    d["avx2"] = f.avx2;
    d["fma"] = f.fma;
    d["avx512f"] = f.avx512f;
    d["avx512bw"] = f.avx512bw;
    d["avx512dq"] = f.avx512dq;
    d["avx512vl"] = f.avx512vl;
    d["avx512_bf16"] = f.avx512_bf16;
    d["neon"] = f.neon;
    return d;
}

// The environment is read at every call, so that a test or a session can change its mind. The exception's
// std::invalid_argument becomes Python's ValueError.
const char* best_isa() {
    const char* requested = std::getenv("DYNRNN_ISA");
    return dynrnn::choose_isa(dynrnn::cpu_features(), requested == nullptr ? "" : requested);
}

}  // namespace

NB_MODULE(_native, m) {
    m.doc() = "The compiled core of dynrnn.";
    m.def("version", [] { return DYNRNN_VERSION; }, "Version of the package this module was compiled for.");
    m.def("cpu_features", &cpu_features, "Vector instructions usable on this machine, by name.");
    m.def("best_isa", &best_isa, "Code path of the core: the widest usable, or the one DYNRNN_ISA names.");
}
