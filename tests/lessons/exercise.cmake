# As shipped, an exercise exits with 1 and names the first wrong tensor. One that its learner has solved (nothing says
# "your code" any more, and all numbers are right) is passed over.
execute_process(COMMAND ${PROGRAM} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
message("${output}")
file(STRINGS ${SOURCE} places REGEX "your code")
if(result EQUAL 0 AND NOT places)
  message("solved by its learner")
elseif(NOT result EQUAL 1)
  message(FATAL_ERROR "the exercise exited with ${result}, expected 1: as shipped it is not solved")
elseif(NOT output MATCHES "is the first wrong one")
  message(FATAL_ERROR "the exercise does not name the first wrong tensor")
elseif(output MATCHES "A known mistake" AND places)
  message(FATAL_ERROR "the exercise as shipped is taken for a known mistake")
endif()
