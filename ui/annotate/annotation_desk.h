// SPDX-License-Identifier: GPL-3.0-or-later
// One item of an annotation after another: its picture, its question, the answers, and keys for all
// that a person does with them.
#pragma once

#include <QString>
#include <QWidget>
#include <array>
#include <map>
#include <memory>

#include "engine/data/annotation.h"
#include "ui/annotate/proposals.h"
#include "ui/annotate/synthesis.h"

class QCheckBox;
class QComboBox;
class QLabel;
class QLineEdit;
class QListView;
class QPlainTextEdit;
class QProgressBar;
class QPushButton;

namespace luthier {

class FittedPicture;
class ItemModel;
class SynthesisPanel;

class AnnotationDesk : public QWidget {
  Q_OBJECT

 public:
  AnnotationDesk(Workspace& workspace, QWidget* parent = nullptr);
  void show_annotation(Annotation annotation);
  const Annotation* annotation() const { return annotation_.get(); }
  /// An answer is typed that no row has.
  bool has_unsaved() const;
  /// No model is asked any more.
  void stop();

 signals:
  /// The file is to be trained on.
  void use_asked(const QString& file);

 private:
  struct Draft {
    QString question, answer, other;
  };

  QWidget* make_picture_side();
  QWidget* make_answer_side();
  void follow_synthesis();
  void retranslate();
  void go_to(std::size_t index);
  void show_item();
  void show_proposal(std::size_t index);
  void propose();
  void propose_ahead();
  void accept(bool first_is_better, bool good);
  void skip();
  void empty_desk();
  void back();
  void reopen();
  void next();
  void follow_adapters();
  void refresh();
  void say(const QString& sentence);
  bool has_typed() const;
  bool pairs() const;
  bool thumbs() const;

  Workspace& workspace_;
  std::unique_ptr<Annotation> annotation_;
  std::size_t index_ = 0;
  AnnotationItem shown_;  ///< as it was put on the desk
  Proposals* proposals_;
  Synthesis* synthesis_;
  ItemModel* model_;
  std::array<QString, 2> proposed_;      ///< what a proposal wrote into the editors, or may replace
  std::map<std::size_t, Draft> drafts_;  ///< typed, and left before it was accepted
  bool filling_ = false;                 ///< editors are being filled by us

  FittedPicture* image_;
  SynthesisPanel* panel_;
  QLabel *done_, *name_, *maker_, *error_, *question_label_, *answer_label_, *other_label_,
      *by_label_;
  QProgressBar* progress_;
  QListView* list_;
  QLineEdit* question_;
  QPlainTextEdit *answer_, *other_;
  QComboBox* by_;
  QCheckBox* ahead_;
  QPushButton *propose_, *accept_, *first_, *second_, *good_, *bad_, *skip_, *back_, *reopen_,
      *use_;
};

}  // namespace luthier
