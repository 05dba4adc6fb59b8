# find_package(gemma) gives the target gemma::gemma.
include(CMakeFindDependencyMacro)
find_dependency(xtensor)
find_dependency(fmt)
include("${CMAKE_CURRENT_LIST_DIR}/gemmaTargets.cmake")
