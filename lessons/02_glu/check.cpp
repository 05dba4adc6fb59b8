// Checks exercise::glu against the library's.

#include "gemma/components/glu.hpp"
#include "lessons/02_glu/exercise.hpp"
#include "lessons/exercise.hpp"
#include "lessons/random.hpp"

#include <string>

namespace {

// T tokens of D numbers, F kernels that span k tokens.
lesson::Trial trial(const std::string& input, std::size_t T, std::size_t D, std::size_t k, std::size_t F) {
    lesson::Random random(T + k);
    const gemma::Matrix x = random.normal<2>({T, D});
    const gemma::Tensor3 W = random.normal<3>({k, D, F}), V = random.normal<3>({k, D, F});
    const gemma::Vector b = random.normal<1>({F}), c = random.normal<1>({F});
    return {input, [=](gemma::Trace trace) { gemma::glu(x, W, b, V, c, trace.scope("glu")); },
            [=](gemma::Trace trace) { exercise::glu(x, W, b, V, c, trace.scope("glu")); }};
}

}  // namespace

int main() {
    return lesson::check_exercise("02_glu", {trial("a linear map: 3 tokens, k = 1, as in Gemma", 3, 4, 1, 2),
                                             trial("5 tokens of 3 numbers, k = 2, as on the slides", 5, 3, 2, 4),
                                             trial("a kernel longer than the text: 2 tokens, k = 4", 2, 3, 4, 2)});
}
