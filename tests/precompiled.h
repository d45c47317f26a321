// SPDX-License-Identifier: GPL-3.0-or-later
// What nearly every test includes, read once for all of them: a test program is small, and most of
// its time to compile went into these.
#pragma once

#include <QtTest>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/json.h"
