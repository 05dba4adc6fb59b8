// What somebody else's program needs to run Gemma, and to draw what it says.
#include <gemma/checkpoint/embedded.hpp>
#include <gemma/model/model.hpp>
#include <iostream>
#include <string>
#include <viz/chart.hpp>
#include <viz/notebook.hpp>

int main() {
    const gemma::Model model(gemma::embedded_model());
    gemma::KVCache cache(model.config(), 16);
    const gemma::Matrix logits = model.forward({2, 400, 500}, cache);
    std::cout << "logits " << gemma::to_string(gemma::shape_of(logits)) << std::endl;
    const std::string picture =
        viz::svg(viz::Chart{"x²", {"x"}, {"y"}, {viz::curve("", 0, 1, [](double x) { return x * x; })}});
    std::cout << "picture " << picture.size() << " bytes, " << viz::plain_text(viz::tensor(logits, "logits"));
    return logits.shape(0) == 3 && logits.shape(1) == model.config().vocab_size && picture.rfind("<svg", 0) == 0 ? 0
                                                                                                                 : 1;
}
