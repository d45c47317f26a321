// SPDX-License-Identifier: GPL-3.0-or-later
// Asking the model that is being trained: a picture and a question, answered by the base and by the
// adapter as it stands now, while training (between two steps), while paused, or at rest.
#pragma once

#include <QWidget>
#include <map>

#include "ui/workspace.h"

class QLabel;
class QLineEdit;
class QPushButton;
class QTextBrowser;
class QToolButton;

namespace luthier {

class AskPanel : public QWidget {
  Q_OBJECT

 public:
  AskPanel(Workspace& workspace, QWidget* parent = nullptr);

 private:
  struct Asked {
    QString question;
    std::optional<std::int64_t> step;  ///< of the run that trained then
    std::vector<std::optional<std::string>> columns;
    std::map<std::size_t, QString> answers;
    QString error;
    bool done = false;
  };

  void choose_picture();
  void show_picture();
  void take_row();
  void ask();
  void update_answer(const AnswerUpdate& event);
  void render();
  void refresh();

  Workspace& workspace_;
  QToolButton* picture_;
  QLineEdit* question_;
  QPushButton* row_;
  QPushButton* ask_;
  QTextBrowser* answers_;
  QString picture_path_;
  RowFilm film_;  ///< of the row that was taken, in the picture's place
  RequestId preview_ = 0;
  std::size_t next_row_ = 0;
  std::map<RequestId, Asked> asked_;
};

}  // namespace luthier
