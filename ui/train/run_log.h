// SPDX-License-Identifier: GPL-3.0-or-later
// Log and Events of the live run: a line a step as text that can be copied, and what happened
// (checkpoints, pauses, changed rates, warnings) as a table. Both are bounded and written at most
// ten times a second.
#pragma once

#include <QPlainTextEdit>
#include <QTableWidget>
#include <QTimer>

#include "ui/workspace.h"

namespace luthier {

class StepLog : public QPlainTextEdit {
  Q_OBJECT

 public:
  StepLog(Workspace& workspace, QWidget* parent = nullptr);

 private:
  void restart();
  void append_new(std::size_t most);

  Workspace& workspace_;
  QTimer timer_;
  std::size_t written_ = 0;
};

class EventTable : public QTableWidget {
  Q_OBJECT

 public:
  EventTable(Workspace& workspace, QWidget* parent = nullptr);

 private:
  void size_columns();
  void restart();
  void append_new();
  void show_event(int row, const RunEvent& event);

  Workspace& workspace_;
  std::size_t written_ = 0;
};

/// "checkpoint" → what the window calls it.
QString event_text(const std::string& kind);

}  // namespace luthier
