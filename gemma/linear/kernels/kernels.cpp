#include "gemma/linear/kernels/kernels.hpp"

namespace gemma {

const std::vector<Kernels>& kernels_of_this_machine() {
    static const std::vector<Kernels> kernels = [] {
        std::vector<Kernels> found;
#if defined(__x86_64__)
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        const bool avx512 = avx2 && __builtin_cpu_supports("avx512f");
        if (avx512 && __builtin_cpu_supports("avx512bf16")) found.push_back(avx512_bf16_kernels());
        if (avx512) found.push_back(avx512_kernels());
        if (avx2) found.push_back(avx2_kernels());
#endif
        found.push_back(base_kernels());
        return found;
    }();
    return kernels;
}

}  // namespace gemma
