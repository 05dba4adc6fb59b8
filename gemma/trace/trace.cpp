#include "gemma/trace/trace.hpp"

#include <utility>

namespace gemma {

Trace::Trace(Observer& observer, std::string scope) : observer_(&observer), scope_(std::move(scope)) {}

Trace Trace::enter(std::string_view name) const {
    std::string inner = scope_.empty() ? std::string(name) : scope_ + "." + std::string(name);
    return Trace(*observer_, std::move(inner));
}

}  // namespace gemma
