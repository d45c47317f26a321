// SPDX-License-Identifier: GPL-3.0-or-later
// LibTorch's wheel has Gloo inside and none of its headers. c10d's ProcessGroupGloo.hpp only names
// these types: what it must know of them to be read is declared in this folder, nothing is defined
// and nothing of it is ever made here.
#pragma once
