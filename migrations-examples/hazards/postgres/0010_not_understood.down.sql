SELECT 'nothing to take back';
