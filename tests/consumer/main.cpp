// What somebody else's program needs to run Gemma: ten lines.
#include <gemma/checkpoint/embedded.hpp>
#include <gemma/model/model.hpp>
#include <iostream>

int main() {
    const gemma::Model model(gemma::embedded_model());
    gemma::KVCache cache(model.config(), 16);
    const gemma::Matrix logits = model.forward({2, 400, 500}, cache);
    std::cout << "logits " << gemma::to_string(gemma::shape_of(logits)) << std::endl;
    return logits.shape(0) == 3 && logits.shape(1) == model.config().vocab_size ? 0 : 1;
}
