// SPDX-License-Identifier: GPL-3.0-or-later
// "Download from a hub": a repository's id, what comes and how fast, and a way to stop. Not modal,
// and closing it does not end the download: the Model page shows how far it is. Nothing is asked of
// the network before the button is pressed.
#pragma once

#include <QDialog>

#include "ui/workspace.h"

class QLabel;
class QLineEdit;
class QProgressBar;
class QPushButton;

namespace luthier {

class Banner;

class FetchDialog : public QDialog {
  Q_OBJECT

 public:
  FetchDialog(Workspace& workspace, QWidget* parent, HubKind kind = HubKind::Model);
  /// Fills in the repository's id.
  void propose(const QString& repository);
  /// "34 %" while a download runs, else empty.
  QString percent() const;

 protected:
  void resizeEvent(QResizeEvent* event) override;
  void showEvent(QShowEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

 signals:
  void changed();                     ///< percent() is another
  void ended(const QString& folder);  ///< empty when it did not come whole
  void load_asked(const QString& folder);

 private:
  void retranslate();
  void start();
  void show_progress(const FetchProgress& progress);
  void end(const RequestDone& event);
  void enable();
  /// As high as its texts need at this width.
  void fit();

  /// "fetchStart", of a dataset's "fetchDataStart".
  QString named(const char* tail) const;

  Workspace& workspace_;
  const HubKind kind_;
  QLabel *title_, *id_label_, *revision_label_, *note_, *progress_text_;
  QLineEdit *id_, *revision_;
  QProgressBar* progress_;
  Banner* banner_;
  QPushButton *start_, *cancel_, *load_, *close_;
  RequestId request_ = 0;  ///< 0: none runs
  int permille_ = 0;
  QString folder_;  ///< of the last one that came whole
};

/// "organisation/name" out of what a person pastes: an id, or a page's address.
QString repository_of(const QString& text);

}  // namespace luthier
