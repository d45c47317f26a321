// SPDX-License-Identifier: GPL-3.0-or-later
// The one door to LibTorch: everything above nn/ includes this header, which is also the
// precompiled one. It takes what tensors and modules need, and not torch/torch.h, which brings data
// loaders, optimizers and every layer of its frontend with it (a third of the time that a file
// takes to compile). Who writes an autograd function includes custom_function.h beside it.
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/pimpl.h>
#include <torch/types.h>
#include <torch/utils.h>
