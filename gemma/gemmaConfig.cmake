# find_package(gemma) gives the targets gemma::gemma, the model, and gemma::viz, its pictures.
include(CMakeFindDependencyMacro)
find_dependency(xtensor)
find_dependency(fmt)
include("${CMAKE_CURRENT_LIST_DIR}/gemmaTargets.cmake")
